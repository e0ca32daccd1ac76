import type { Unit } from '../../operators/index.ts'
import { rowBlockElements } from '../../tensors/blocks.ts'
import { elementsOf, rowElements, type TensorSpec } from '../../tensors/tensor.ts'

/** Elements of one part of a tensor as `unit` cuts it, when chunks have `chunk` elements. */
export function partElements(unit: Unit, spec: TensorSpec, chunk: number): number {
  const elements = elementsOf(spec.shape)
  if (unit === 'tensor' || elements === 0) return elements
  if (unit === 'elements') return Math.min(chunk, elements)
  const rows = rowBlockElements(rowElements(spec))
  return Math.min(elements, Math.max(1, Math.floor(chunk / rows)) * rows)
}

/** Elements of a tensor that a window holds which reads `step` of them and shows at most `most`. */
export function windowElements(elements: number, step: number, most: number): number {
  return step === most ? Math.min(step, elements) : Math.min(step + most, elements)
}
