import type { Kernels, Region } from '../compute/kernels.ts'
import { InvalidInputError } from '../errors.ts'
import type { WeightDType } from '../tensors/dtype.ts'
import type { TensorSpec } from '../tensors/tensor.ts'
import { operatorsOf, type PlanNode } from './plan/plan-node.ts'

/**
 * Throws `InvalidInputError` `E_NOT_FINITE` that names the element and the steps to change when a
 * recipe gives a weight that its dtype cannot hold. Only what is written is held to it: a variant that
 * is measured may be broken, and scores as such.
 */
export type CheckFinite = (weights: Region, from: number, count: number) => void

/** `node` is what the recipe does to the tensor, `result` the tensor that it writes. */
export function createFiniteCheck(
  kernels: Kernels,
  node: PlanNode,
  result: TensorSpec,
): CheckFinite {
  const dtype = result.dtype as WeightDType
  return (weights, from, count) => {
    const at = kernels.firstNonFiniteOf(dtype, weights, count)
    if (at >= 0) throw notFinite(node, result, from + at)
  }
}

function notFinite(node: PlanNode, { name, dtype }: TensorSpec, element: number) {
  const steps = operatorsOf(node).map(({ operator }) => operator.id)
  const after = steps.length === 0 ? '' : ` after ${steps.join(', ')}`
  const change =
    steps.length === 0
      ? 'use a delta that was made over these weights'
      : `give ${steps.toReversed().join(' or ')} a smaller factor`
  return new InvalidInputError(
    'E_NOT_FINITE',
    `element ${element} of '${name}' is not finite in ${dtype}${after}`,
    {
      expected: `weights that ${dtype} can hold`,
      actual: 'NaN or ±∞',
      fix: dtype === 'F16' ? [change, 'write the weights as BF16 or F32'] : change,
      details: { tensor: name, element, steps },
    },
  )
}
