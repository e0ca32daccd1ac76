import { InvalidInputError } from '../errors.ts'
import type { TensorSpec } from './tensor.ts'

/**
 * Which tensors of a weight dtype are meant: patterns separated by `|`, such as
 * `*.mlp.*|!*.layers.0.*`. A pattern is a tensor's name in which each `*` stands for any run of
 * characters; a tensor is in scope when one of the patterns fits and none of those after a `!`
 * does. Two words are patterns too:
 *
 * - `all`: every tensor;
 * - `matrices`: the 2-D weights inside the layers, which hold nearly all parameters; norms, biases,
 *   embeddings and the head then pass through unchanged.
 */
export type Scope = string

/** Room for a dozen patterns; with names of at most 512 bytes it bounds the work of matching. */
export const MAX_SCOPE_LENGTH = 256

/**
 * A control character, or a mark that turns the direction of writing, could forge a terminal's
 * line.
 */
const PRINTABLE = /^\P{C}+$/u

/**
 * The one spelling of a scope: each pattern once, in order, runs of `*` as one, `all` for `*`.
 * Throws `InvalidInputError` `E_SCOPE` for anything that is no scope.
 */
export function canonicalScope(given: unknown): Scope {
  const isText = typeof given === 'string' && given.length <= MAX_SCOPE_LENGTH
  if (!isText || !PRINTABLE.test(given)) throw badScope(given)
  const patterns = given.split('|').map(canonicalPattern)
  const isExclusion = (pattern: string): boolean => pattern.startsWith('!')
  if (patterns.every(isExclusion) || patterns.some((pattern) => /^(!|!!.*)?$/.test(pattern))) {
    throw badScope(given)
  }
  return [...new Set(patterns)].toSorted().join('|')
}

/** `scope` is canonical. Nothing is tried twice, so hostile names and patterns cost no more. */
export function inScope(scope: Scope, spec: TensorSpec): boolean {
  const patterns = scope.split('|')
  return (
    patterns.some((pattern) => !pattern.startsWith('!') && fits(pattern, spec)) &&
    !patterns.some((pattern) => pattern.startsWith('!') && fits(pattern.slice(1), spec))
  )
}

function canonicalPattern(pattern: string): string {
  const collapsed = pattern.replace(/\*+/g, '*')
  return collapsed === '*' ? 'all' : collapsed === '!*' ? '!all' : collapsed
}

/**
 * `matrices`: a 2-D tensor whose name has a layer number, such as
 * `model.layers.3.mlp.up_proj.weight`.
 */
function fits(pattern: string, { name, shape }: TensorSpec): boolean {
  if (pattern === 'all') return true
  if (pattern === 'matrices') return shape.length === 2 && /\.\d+\./.test(name)
  return matches(pattern, name)
}

/**
 * The pieces between stars are looked for from left to right, each at its first place behind the
 * one before; no other choice could fit where this one fails.
 */
function matches(pattern: string, name: string): boolean {
  const [head = '', ...pieces] = pattern.split('*')
  const tail = pieces.pop()
  if (tail === undefined) return name === head
  if (!name.startsWith(head)) return false
  let at = head.length
  for (const piece of pieces) {
    const found = name.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return at + tail.length <= name.length && name.endsWith(tail)
}

function badScope(given: unknown): InvalidInputError {
  const shown = typeof given === 'string' ? given.slice(0, 80) : typeof given
  return new InvalidInputError('E_SCOPE', `${JSON.stringify(shown)} is no scope`, {
    expected: `all, matrices, or names separated by |, at most ${MAX_SCOPE_LENGTH} characters`,
    actual: shown,
    fix: 'give at least one name or pattern, such as *.mlp.*|!*.layers.0.*',
  })
}
