import type { DeltaSource } from '../../codecs/manifest/manifest.ts'
import { inScope, type Mode, type Operator, type Scope, type Unit } from '../../operators/index.ts'
import type { Statistic } from '../../operators/statistics/statistic.ts'
import type { ParameterValues } from '../../parameters.ts'
import type { Checkpoint } from '../../tensors/checkpoint.ts'
import { isWeightDType } from '../../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'

/** A recipe's node with everything it refers to at hand. */
export type PlanNode = ZeroStep | DeltaStep | WeightsStep | OperatorStep

/** The base itself, or a tensor that a delta leaves alone. */
export interface ZeroStep {
  readonly kind: 'zero'
}

export interface DeltaStep {
  readonly kind: 'delta'
  readonly source: DeltaSource
}

export interface WeightsStep {
  readonly kind: 'weights'
  readonly checkpoint: Checkpoint
}

export interface OperatorStep {
  readonly kind: 'operator'
  /** Tells operators of one plan apart. */
  readonly index: number
  readonly operator: Operator
  readonly parameters: ParameterValues
  readonly mode: Mode
  readonly scope: Scope
  readonly statistic: Statistic<unknown> | undefined
  readonly unit: Unit
  /** Parts of f32 beside inputs and output. */
  readonly scratch: number
  readonly inputs: readonly PlanNode[]
}

/**
 * What is left of a node for one tensor: an edit whose scope leaves the tensor out is its input, and
 * what has only zeros to work on is zero. Tensors of other dtypes and without elements stay as they are.
 */
export function nodeAt(node: PlanNode, spec: TensorSpec): PlanNode {
  if (!isWeightDType(spec.dtype) || elementsOf(spec.shape) === 0) return zero
  switch (node.kind) {
    case 'zero':
    case 'weights':
      return node
    case 'delta':
      return node.source.tensors.has(spec.name) ? node : zero
    case 'operator': {
      if (!inScope(node.scope, spec)) return nodeAt(node.inputs[0]!, spec)
      const inputs = node.inputs.map((input) => nodeAt(input, spec))
      const here = { ...node, inputs }
      return subjectsOf(here).every((input) => input.kind === 'zero') ? zero : here
    }
  }
}

/** The inputs whose values an operator gives on: at the others an edit only looks. */
export function subjectsOf({ operator, inputs }: OperatorStep): readonly PlanNode[] {
  return operator.kind === 'edit' ? inputs.slice(0, 1) : inputs
}

export const zero: ZeroStep = { kind: 'zero' }

/** Operators in the order in which their statistics can be gathered: inner ones first. */
export function operatorsOf(node: PlanNode): OperatorStep[] {
  return node.kind === 'operator' ? [...node.inputs.flatMap(operatorsOf), node] : []
}

/** Calls `leaf` with how often each leaf is streamed when the node itself is streamed `times`. */
export function countStreams(
  node: PlanNode,
  times: number,
  leaf: (leaf: DeltaStep | WeightsStep, times: number) => void,
): void {
  if (node.kind === 'zero') return
  if (node.kind !== 'operator') return leaf(node, times)
  const { statistic, inputs } = node
  const passes = statistic?.passes ?? 0
  const total = statistic?.scope === 'all' ? passes + times : times * (passes + 1)
  for (const input of inputs) countStreams(input, total, leaf)
}

/** The tensor as a recipe's `dtype` makes it. */
export function outputSpec(spec: TensorSpec, dtype: TensorSpec['dtype'] | undefined): TensorSpec {
  return dtype !== undefined && isWeightDType(spec.dtype) ? { ...spec, dtype } : spec
}
