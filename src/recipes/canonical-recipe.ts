import { cidOfValue, type CID } from '../canonical.ts'
import type { Codec } from '../codecs/index.ts'
import { InvalidInputError, LimitError } from '../errors.ts'
import { canonicalScope, type Mode, modes, type Operator, type Scope } from '../operators/index.ts'
import { checkParameters, type ParameterTable, type ParameterValues } from '../parameters.ts'
import type { Registry } from '../registry.ts'
import { isWeightDType, type WeightDType, weightDTypes } from '../tensors/dtype.ts'
import { compareNames } from '../tensors/tensor.ts'
import type { DeltaLeaf, OperatorNode, Recipe, RecipeNode, WeightsLeaf } from './recipe.ts'

/** What a recipe is written in: the entries it may name. */
export interface Entries {
  readonly operators: Registry<Operator>
  readonly codecs: Registry<Codec>
}

/** A recipe with whatever has a default left out. */
export interface RecipeDraft {
  readonly base: CID
  readonly dtype?: WeightDType
  readonly mode?: Mode
  readonly root: DraftNode
}

export type DraftNode = DeltaLeaf | WeightsLeaf | DraftOperator

export interface DraftOperator {
  readonly operator: string
  readonly parameters?: Readonly<Record<string, unknown>>
  readonly scope?: Scope
  readonly inputs: readonly DraftNode[]
}

/** What materialising may cost at most: nodes on one path, inputs of one operator, operators. */
export const MAX_RECIPE_DEPTH = 16
export const MAX_OPERANDS = 64
export const MAX_OPERATORS = 256

/**
 * The one spelling of a recipe: defaults filled in, parameters checked, weights of 1 left out,
 * inputs of symmetric merges in the order of their CIDs. Two drafts of one thing give equal
 * recipes. Throws `InvalidInputError` for anything unknown or out of range and `LimitError`
 * `E_RECIPE_SIZE`.
 */
export function recipeOf(draft: RecipeDraft, entries: Entries): Recipe {
  const { base, dtype, mode = 'paper' } = draft
  if (!modes.includes(mode)) throw outOfRange('mode', modes, mode)
  if (dtype !== undefined && !isWeightDType(dtype)) throw outOfRange('dtype', weightDTypes, dtype)
  let operators = 0

  function nodeOf(node: DraftNode, depth: number): RecipeNode {
    if (depth > MAX_RECIPE_DEPTH) throw tooLarge('nodes on one path', MAX_RECIPE_DEPTH, depth)
    if ('delta' in node) return { delta: node.delta }
    if ('weights' in node) return { weights: node.weights }
    if (++operators > MAX_OPERATORS) throw tooLarge('operators', MAX_OPERATORS, operators)
    const operator = entries.operators.get(node.operator)
    const { table, parameters } = parametersOf(
      operator,
      node.parameters ?? {},
      mode,
      entries.codecs,
    )
    checkArity(operator, parameters, node.inputs.length)
    const inputs = node.inputs.map((input) => nodeOf(input, depth + 1))
    const plain = { operator: operator.id, parameters, ...scopeOf(operator, node.scope), inputs }
    return withPlainWeights(operator.symmetric === true ? sorted(plain, table) : plain, table)
  }

  const root = nodeOf(draft.root, 1)
  return { version: 1, algorithm: 1, base, ...(dtype === undefined ? {} : { dtype }), mode, root }
}

/** The identity of the variant that a recipe denotes. */
export function recipeId(recipe: Recipe): CID {
  return cidOfValue(recipe)
}

/**
 * Ids of the deltas and weights that a recipe is made from, each once, in the order of the tree.
 */
export function leavesOf(recipe: Recipe): { deltas: readonly CID[]; weights: readonly CID[] } {
  const deltas = new Map<string, CID>()
  const weights = new Map<string, CID>()
  const visit = (node: RecipeNode): void => {
    if ('delta' in node) deltas.set(node.delta.toString(), node.delta)
    else if ('weights' in node) weights.set(node.weights.toString(), node.weights)
    else node.inputs.forEach(visit)
  }
  visit(recipe.root)
  return { deltas: [...deltas.values()], weights: [...weights.values()] }
}

function checkArity(operator: Operator, parameters: ParameterValues, inputs: number): void {
  const { id, kind } = operator
  if (inputs > MAX_OPERANDS) throw tooLarge(`inputs of ${id}`, MAX_OPERANDS, inputs)
  const wanted = kind === 'edit' ? (operator.inputs?.(parameters as never) ?? 1) : undefined
  if (wanted === undefined ? inputs > 0 : inputs === wanted) return
  const expected =
    wanted === undefined ? 'at least one input' : wanted === 1 ? 'one input' : `${wanted} inputs`
  throw new InvalidInputError('E_ARITY', `${id} takes ${expected}, got ${inputs}`, {
    expected,
    actual: inputs,
    fix: inputs < (wanted ?? 1) ? 'name what it goes by: by:REF' : 'leave by:REF out',
  })
}

function parametersOf(
  operator: Operator,
  given: Readonly<Record<string, unknown>>,
  mode: Mode,
  codecs: Registry<Codec>,
): { table: ParameterTable; parameters: ParameterValues } {
  const table = operator.parametersFor?.(given, codecs) ?? operator.parameters
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  const filled = { ...operator.defaults?.[mode], ...Object.fromEntries(set) }
  const parameters = checkParameters(operator.id, table, filled)
  operator.check?.(parameters as never)
  return { table, parameters }
}

function scopeOf(operator: Operator, given: Scope | undefined): { scope?: Scope } {
  if (operator.kind === 'edit') return { scope: canonicalScope(given ?? operator.scope) }
  if (given === undefined) return {}
  throw new InvalidInputError('E_MERGE_SCOPE', `${operator.id} is a merge and has no scope`, {
    expected: 'no scope',
    actual: given,
    fix: 'give the scope to an edit of its inputs',
  })
}

/** Names of the parameters that hold one number per input. */
function perInput(table: ParameterTable): string[] {
  return Object.keys(table).filter((name) => table[name]!.type === 'numbers')
}

/** The numbers move with their inputs; equal inputs are ordered by their numbers. */
function sorted(node: OperatorNode, table: ParameterTable): OperatorNode {
  const lists = perInput(table).map((name) => [name, numbersOf(node, name)] as const)
  const rows = node.inputs.map((input, i) => ({
    input,
    key: cidOfValue(input).toString(),
    numbers: lists.map(([, numbers]) => numbers[i]!),
  }))
  rows.sort((a, b) => compareNames(a.key, b.key) || compareLists(a.numbers, b.numbers))
  const moved = lists.map(([name], l) => [name, rows.map((row) => row.numbers[l]!)])
  return {
    ...node,
    parameters: { ...node.parameters, ...Object.fromEntries(moved) },
    inputs: rows.map((row) => row.input),
  }
}

/** A list of nothing but ones is the same as none. */
function withPlainWeights(node: OperatorNode, table: ParameterTable): OperatorNode {
  const lists = perInput(table).map((name) => {
    const numbers = numbersOf(node, name)
    return [name, numbers.every((number) => number === 1) ? [] : numbers]
  })
  return { ...node, parameters: { ...node.parameters, ...Object.fromEntries(lists) } }
}

function numbersOf(node: OperatorNode, name: string): readonly number[] {
  const numbers = node.parameters[name] as readonly number[]
  const count = node.inputs.length
  if (numbers.length === count) return numbers
  if (numbers.length === 0) return Array<number>(count).fill(1)
  throw new InvalidInputError(
    'E_PARAMETER_RANGE',
    `expected \`${node.operator}.${name}\` with ${count} numbers, got ${numbers.length}`,
    { expected: count, actual: numbers.length, fix: 'give one number per input, or none' },
  )
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  return a.map((number, i) => number - b[i]!).find((difference) => difference !== 0) ?? 0
}

function outOfRange(name: string, options: readonly string[], actual: unknown): InvalidInputError {
  return new InvalidInputError(
    'E_BAD_RECIPE',
    `expected \`${name}\` one of ${options.join(', ')}, got ${JSON.stringify(actual)}`,
    { expected: options, actual },
  )
}

function tooLarge(what: string, limit: number, actual: number): LimitError {
  return new LimitError('E_RECIPE_SIZE', `a recipe has at most ${limit} ${what}, got ${actual}`, {
    expected: limit,
    actual,
  })
}
