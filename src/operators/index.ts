import type { Codec } from '../codecs/index.ts'
import type { Kernels, Region } from '../compute/kernels.ts'
import type { ParameterTable, ValuesOf } from '../parameters.ts'
import { loadRegistry, type Registry } from '../registry.ts'
import type { TensorSpec } from '../tensors/tensor.ts'
import type { Statistic } from './statistics/statistic.ts'

/**
 * An operator changes the values of deltas: an edit takes one, a merge one or more. It declares what
 * it must know before it can act and how it maps one chunk of aligned inputs; it never loops over
 * files, never holds a tensor unless it declares so, and never knows where bytes come from. From
 * this declaration follow the plan, the memory ceiling and the contract tests.
 */

/** What an operator may look at while it maps one tensor. */
export interface TensorContext<P, S> {
  readonly kernels: Kernels
  readonly codecs: Registry<Codec>
  readonly parameters: P
  readonly spec: TensorSpec
  /** One value per input, when the operator declares a statistic. */
  readonly statistics: readonly S[]
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
  /** Which tensors an edit changes unless the recipe says otherwise; merges change all. */
  readonly scope: Scope
  /** Needs a whole tensor in one chunk; the plan's memory ceiling then follows the largest tensor. */
  readonly whole?: boolean
  /** What must be known about each input first, if anything. */
  statistic?(parameters: ValuesOf<T>): Statistic<S> | undefined
  /** Starts one tensor. */
  open(context: TensorContext<ValuesOf<T>, S>): ChunkMap
}

/**
 * `all`: every tensor of a weight dtype. `matrices`: the 2-D weights inside the layers, which hold
 * nearly all parameters; norms, biases, embeddings and the head then pass through unchanged.
 */
export type Scope = 'all' | 'matrices'

export const scopes = ['all', 'matrices'] as const satisfies readonly Scope[]

/** A 2-D tensor whose name has a layer number, such as `model.layers.3.mlp.up_proj.weight`. */
export function inScope(scope: Scope, spec: TensorSpec): boolean {
  return scope === 'all' || (spec.shape.length === 2 && /\.\d+\./.test(spec.name))
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
