import type { Kernels, Region } from '../../compute/kernels.ts'
import type { TensorSpec } from '../../tensors/tensor.ts'

/**
 * A fact about an operator's inputs, all seen side by side, that it needs before its first chunk,
 * gathered in streaming passes. `scope: 'tensor'` gives one value per tensor, `'all'` one over
 * every tensor the operator changes, visited in the order of their names. A tensor in which every
 * input is zero may be left out of the visit, though not of `elements`.
 */
export interface Statistic<V> {
  readonly scope: 'tensor' | 'all'
  /** How often the inputs are streamed; 0 for a value that needs no look at them. */
  readonly passes: number
  /** Bytes of a region of its own for each input; over all tensors the most that one asks for. */
  readonly table?: number | ((spec: TensorSpec) => number)
  start(context: StatisticContext): Fold<V>
}

export interface StatisticContext {
  readonly kernels: Kernels
  /** How many inputs there are. */
  readonly inputs: number
  /** Elements in scope, of one input. */
  readonly elements: number
  /** As many chunks of f32 as the operator's `scratch` asks for. */
  readonly scratch: readonly Region[]
  /**
   * One region per input, as large as the statistic's `table` says; their contents are anything.
   */
  readonly tables: readonly Region[]
}

export interface Fold<V> {
  /** Chunks come in index order and hold the operator's unit; `from` is 0 at a tensor's first. */
  scan(pass: number, spec: TensorSpec, inputs: readonly Region[], from: number, count: number): void
  endPass(pass: number): void
  /** After the last pass. */
  value(): V
}

/** What `table` asks for on one tensor. */
export function tableBytes({ table = 0 }: Statistic<unknown>, spec: TensorSpec): number {
  return typeof table === 'number' ? table : table(spec)
}
