import { asCid, decodeCanonical, encodeCanonical, type CID } from '../canonical.ts'
import { LimitError, MalformedError } from '../errors.ts'
import { canonicalScope, modes, type Scope } from '../operators/index.ts'
import type { ParameterValue, ParameterValues } from '../parameters.ts'
import { isWeightDType, weightDTypes } from '../tensors/dtype.ts'
import { MAX_OPERANDS, MAX_OPERATORS, MAX_RECIPE_DEPTH } from './canonical-recipe.ts'
import type { Recipe, RecipeNode } from './recipe.ts'

/** A recipe travels as one block, which is fetched before anything is known about it. */
export const MAX_RECIPE_BYTES = 16 * 1024

const MAX_PARAMETERS = 32
const MAX_TEXT = 64

/**
 * A control character, or a mark that turns the direction of writing, could forge a terminal's
 * line.
 */
const PRINTABLE = /^\P{C}+$/u

/** The canonical bytes, whose CID is `recipeId`. Throws `LimitError` `E_RECIPE_SIZE`. */
export function encodeRecipe(recipe: Recipe): Uint8Array {
  const bytes = encodeCanonical(recipe)
  if (bytes.length <= MAX_RECIPE_BYTES) return bytes
  throw new LimitError('E_RECIPE_SIZE', `a recipe has at most ${MAX_RECIPE_BYTES} bytes`, {
    expected: MAX_RECIPE_BYTES,
    actual: bytes.length,
  })
}

/**
 * Reads a recipe from anywhere. It checks the form alone: a recipe may name operators that are not
 * known here and still be passed on; `planRecipe` judges its meaning. Throws `MalformedError`
 * `E_BAD_RECIPE` or `E_NOT_CANONICAL`.
 */
export function decodeRecipe(bytes: Uint8Array): Recipe {
  if (bytes.length > MAX_RECIPE_BYTES) {
    throw bad('recipe', `at most ${MAX_RECIPE_BYTES} bytes`, `${bytes.length} bytes`)
  }
  const value = record('recipe', decodeCanonical(bytes))
  keys('recipe', value, ['version', 'algorithm', 'base', 'mode', 'root'], ['dtype'])
  if (value.version !== 1) throw bad('version', '1', value.version)
  if (value.algorithm !== 1) throw bad('algorithm', '1', value.algorithm)
  const { dtype, mode } = value
  if (dtype !== undefined && !isWeightDType(dtype)) throw bad('dtype', weightDTypes, dtype)
  const known = modes.find((each) => each === mode)
  if (known === undefined) throw bad('mode', modes, mode)
  return {
    version: 1,
    algorithm: 1,
    base: cid('base', value.base),
    ...(dtype === undefined ? {} : { dtype }),
    mode: known,
    root: nodeOf(value.root, 1, { operators: 0 }),
  }
}

function nodeOf(given: unknown, depth: number, seen: { operators: number }): RecipeNode {
  if (depth > MAX_RECIPE_DEPTH) throw bad('depth', `at most ${MAX_RECIPE_DEPTH}`, depth)
  const node = record('node', given)
  if ('delta' in node) {
    keys('leaf', node, ['delta'])
    return { delta: cid('delta', node.delta) }
  }
  if ('weights' in node) {
    keys('leaf', node, ['weights'])
    return { weights: cid('weights', node.weights) }
  }
  keys('node', node, ['operator', 'parameters', 'inputs'], ['scope'])
  if (++seen.operators > MAX_OPERATORS)
    throw bad('recipe', `at most ${MAX_OPERATORS} operators`, 'more')
  const { scope, inputs } = node
  if (!Array.isArray(inputs) || inputs.length === 0 || inputs.length > MAX_OPERANDS) {
    throw bad('inputs', `a list of 1 to ${MAX_OPERANDS}`, inputs)
  }
  return {
    operator: text('operator', node.operator),
    parameters: parametersOf(node.parameters),
    ...(scope === undefined ? {} : { scope: scopeOf(scope) }),
    inputs: inputs.map((input) => nodeOf(input, depth + 1, seen)),
  }
}

function parametersOf(given: unknown): ParameterValues {
  const entries = Object.entries(record('parameters', given))
  if (entries.length > MAX_PARAMETERS) throw bad('parameters', `at most ${MAX_PARAMETERS}`, 'more')
  return Object.fromEntries(
    entries.map(([name, value]) => [text('parameter', name), valueOf(name, value)]),
  )
}

function valueOf(name: string, value: unknown): ParameterValue {
  if (typeof value === 'number') return value
  if (typeof value === 'string') return text(name, value)
  if (Array.isArray(value) && value.length <= MAX_OPERANDS) {
    if (value.every((item) => typeof item === 'number')) return value
  }
  throw bad(name, 'a number, a short text or a list of numbers', value)
}

function record(name: string, value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    if (Object.getPrototypeOf(value) === Object.prototype) return value as Record<string, unknown>
  }
  throw bad(name, 'a map', value)
}

function keys(
  name: string,
  value: Record<string, unknown>,
  required: readonly string[],
  optional: readonly string[] = [],
): void {
  const missing = required.find((key) => !Object.hasOwn(value, key))
  if (missing !== undefined) throw bad(name, `a key '${missing}'`, 'none')
  const unknown = Object.keys(value).find((key) => ![...required, ...optional].includes(key))
  if (unknown !== undefined)
    throw bad(name, `keys ${[...required, ...optional].join(', ')}`, unknown)
}

function text(name: string, value: unknown): string {
  if (typeof value === 'string' && value.length <= MAX_TEXT && PRINTABLE.test(value)) return value
  throw bad(name, `a text of 1 to ${MAX_TEXT} printable characters`, value)
}

function cid(name: string, value: unknown): CID {
  const found = asCid(value)
  if (found !== undefined) return found
  throw bad(name, 'a link', value)
}

function scopeOf(value: unknown): Scope {
  try {
    if (canonicalScope(value) === value) return value
  } catch {
    // It is refused below.
  }
  throw bad('scope', 'a scope in its one spelling', value)
}

function bad(name: string, expected: unknown, actual: unknown): MalformedError {
  const isPlain = typeof actual === 'string' || typeof actual === 'number'
  const shown = isPlain ? String(actual).slice(0, 80) : 'something else'
  return new MalformedError(
    'E_BAD_RECIPE',
    `expected \`${name}\` ${String(expected)}, got ${shown}`,
    {
      expected,
      actual: shown,
    },
  )
}
