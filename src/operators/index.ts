import type { Codec } from '../codecs/index.ts'
import type { Kernels, Matrix, Region } from '../compute/kernels.ts'
import type { Lease } from '../compute/lease.ts'
import type { MatrixProducts } from '../compute/matrix/products.ts'
import type { Emitter } from '../graphs/emitter.ts'
import type { ParameterTable, ParameterValues, ValuesOf } from '../parameters.ts'
import { loadRegistry, type Registry } from '../registry.ts'
import type { Scope } from '../tensors/scope.ts'
import type { TensorSpec } from '../tensors/tensor.ts'
import type { Statistic } from './statistics/statistic.ts'

export { canonicalScope, inScope, type Scope } from '../tensors/scope.ts'

/**
 * An operator changes the values of deltas: an edit changes one, a merge makes one of one or more. It
 * declares what it must know before it can act and how it maps one chunk of aligned inputs; it never
 * loops over files, never holds a tensor unless it declares so, and never knows where bytes come from.
 * From this declaration follow the plan, the memory ceiling and the contract tests.
 */

/** Whose reading of an operator counts where sources disagree. */
export type Mode = 'paper' | 'official' | 'mergekit'

export const modes = ['paper', 'official', 'mergekit'] as const satisfies readonly Mode[]

/**
 * What a chunk holds at least: any elements, whole rows, or the whole tensor. A row is everything but
 * the first dimension; a tensor of rank 0 or 1 is one row. Where a result depends on how sums are cut,
 * rows are summed by `rowBlockElements`.
 */
export type Unit = 'elements' | 'rows' | 'tensor'

/** What an operator may look at while it maps one tensor. */
export interface TensorContext<P, S> {
  readonly kernels: Kernels
  readonly codecs: Registry<Codec>
  readonly mode: Mode
  readonly parameters: P
  readonly spec: TensorSpec
  /** How many inputs there are. */
  readonly inputs: number
  /** What the operator's statistic found; `undefined` when it declared none. */
  readonly statistic: S
  /** As many chunks of f32 as the operator's `scratch` asks for. */
  readonly scratch: readonly Region[]
  /** Products with one matrix that does not change until the lease ends, by the kernels or a device. */
  products(matrix: Matrix, lease: Lease): MatrixProducts
  /** Ends long work on one tensor. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Maps elements `from … from+count` of every input to `out`. Called in order from the first chunk to
 * the last; inputs must not be changed. `out` is never one of the inputs.
 */
export type ChunkMap = (
  inputs: readonly Region[],
  out: Region,
  from: number,
  count: number,
) => void | Promise<void>

/**
 * An operator's map of one tensor as ONNX nodes, for a device. It equals what the kernels compute but
 * for denormals, which devices may flush to 0, and for the last bit of a quotient. What it gives is
 * measured; what is published comes from the kernels.
 */
export interface OperatorGraph {
  /**
   * What only kernels can tell about the elements, such as a random mask: each gives one more f32
   * tensor, as large as the inputs.
   */
  readonly masks?: readonly ChunkMap[]
  /** Emits the nodes and returns the name of the result. */
  emit(emitter: Emitter, inputs: readonly string[], masks: readonly string[]): string
}

export interface Operator<T extends ParameterTable = ParameterTable, S = unknown> {
  readonly id: string
  readonly kind: 'edit' | 'merge'
  readonly about: string
  readonly reference: string
  readonly parameters: T
  /** Defaults that a mode reads differently. */
  readonly defaults?: Partial<Readonly<Record<Mode, Partial<ValuesOf<T>>>>>
  /** Parameters with which an input, or a merge's only input, comes out unchanged. */
  readonly identity?: Partial<ValuesOf<T>>
  /** Which tensors an edit changes unless the recipe says otherwise; merges change all. */
  readonly scope: Scope
  /** Made to be compared with, not to be better: no search proposes it. */
  readonly control?: true
  /** The order of the inputs means nothing: recipes then put them in the order of their content. */
  readonly symmetric?: boolean
  /**
   * How many inputs an edit takes, 1 unless it says so. The first is what it changes; it only looks
   * at the others.
   */
  inputs?(parameters: ValuesOf<T>): number
  /**
   * What every chunk that it is shown holds, `elements` unless it says so; the plan's memory then
   * follows the widest row or the largest tensor.
   */
  unit?(parameters: ValuesOf<T>, mode: Mode): Unit
  /** Chunks of f32 it needs besides inputs and output. */
  scratch?(inputs: number, mode: Mode, parameters: ValuesOf<T>): number
  /** Bytes of the kernels' memory that it takes besides these while it maps a tensor. */
  memory?(spec: TensorSpec, parameters: ParameterValues, codecs: Registry<Codec>): number
  /** The table when it depends on what is given, such as the parameters of a codec that it names. */
  parametersFor?(given: Readonly<Record<string, unknown>>, codecs: Registry<Codec>): ParameterTable
  /** Throws `InvalidInputError` for values that are each in range and do not go together. */
  check?(parameters: ValuesOf<T>): void
  /**
   * The size of the change that is to be expected, E‖Δ̂ − Δ‖² / ‖Δ‖², where a formula gives it without
   * a look at the delta. To second order the loss rises in proportion to it when the change is random.
   */
  intensity?(parameters: ValuesOf<T>, mode: Mode): number | undefined
  /** What must be known about the inputs first, if anything. */
  statistic?(parameters: ValuesOf<T>, mode: Mode): Statistic<S> | undefined
  /** Starts one tensor. */
  open(context: TensorContext<ValuesOf<T>, S>): ChunkMap
  /**
   * It takes the products of its context: its tensors are then worth making where a device multiplies,
   * although its map runs beside it.
   */
  readonly multiplies?: boolean
  /** The same map for a device; `undefined` where these parameters have none. */
  graph?(context: TensorContext<ValuesOf<T>, S>): OperatorGraph | undefined
}

/** Declares an operator; it exists to infer the names and types of parameters and statistics. */
export function defineOperator<const T extends ParameterTable, S = never>(
  operator: Operator<T, S>,
): Operator<T, S> {
  return operator
}

export function loadOperators(): Promise<Registry<Operator>> {
  return loadRegistry<Operator>('operator', import.meta.url)
}
