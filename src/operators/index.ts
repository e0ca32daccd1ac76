import type { Codec } from '../codecs/index.ts'
import type { Kernels, Region } from '../compute/kernels.ts'
import type { ParameterTable, ParameterValues, ValuesOf } from '../parameters.ts'
import { loadRegistry, type Registry } from '../registry.ts'
import type { Scope } from '../tensors/scope.ts'
import type { TensorSpec } from '../tensors/tensor.ts'
import type { Statistic } from './statistics/statistic.ts'

export { type Scope, inScope, scopes } from '../tensors/scope.ts'

/**
 * An operator changes the values of deltas: an edit takes one, a merge one or more. It declares what
 * it must know before it can act and how it maps one chunk of aligned inputs; it never loops over
 * files, never holds a tensor unless it declares so, and never knows where bytes come from. From
 * this declaration follow the plan, the memory ceiling and the contract tests.
 */

/** Whose reading of an operator counts where sources disagree. */
export type Mode = 'paper' | 'official' | 'mergekit'

export const modes = ['paper', 'official', 'mergekit'] as const satisfies readonly Mode[]

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
  /** The order of the inputs means nothing: recipes then put them in the order of their content. */
  readonly symmetric?: boolean
  /** Needs a whole tensor in one chunk; the plan's memory ceiling then follows the largest tensor. */
  readonly whole?: boolean
  /** Chunks of f32 it needs besides inputs and output. */
  scratch?(inputs: number, mode: Mode): number
  /** Bytes of the kernels' memory that it takes besides these while it maps a tensor. */
  memory?(spec: TensorSpec, parameters: ParameterValues, codecs: Registry<Codec>): number
  /** The table when it depends on what is given, such as the parameters of a codec that it names. */
  parametersFor?(given: Readonly<Record<string, unknown>>, codecs: Registry<Codec>): ParameterTable
  /** What must be known about the inputs first, if anything. */
  statistic?(parameters: ValuesOf<T>, mode: Mode): Statistic<S> | undefined
  /** Starts one tensor. */
  open(context: TensorContext<ValuesOf<T>, S>): ChunkMap
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
