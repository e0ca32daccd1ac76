import type { Kernels, Region } from '../../compute/kernels.ts'

/**
 * A fact about one input that an operator needs before its first chunk, gathered in streaming passes.
 * `scope: 'tensor'` gives one value per tensor, `'all'` one over every tensor the operator changes,
 * visited in the order of their names.
 */
export interface Statistic<V> {
  readonly scope: 'tensor' | 'all'
  /** How often the input is streamed. */
  readonly passes: number
  /** `elements` is the total number of elements in scope. */
  start(kernels: Kernels, elements: number): Fold<V>
}

export interface Fold<V> {
  /** Chunks come in index order; `tensor` changes only at a tensor's first chunk. */
  scan(pass: number, tensor: string, x: Region, from: number, count: number): void
  endPass(pass: number): void
  /** After the last pass. */
  value(): V
}
