import { elementsOf } from '../../tensors/tensor.ts'
import { definePrimitive } from '../primitive.ts'

/** Inputs: x [… , in], weight [out, in] as PyTorch lays it out, and optionally bias [out]. */
export const primitive = definePrimitive({
  id: 'linear',
  about: 'y = x · weightᵀ + bias over the last axis',
  infer([x, weight, bias]) {
    const [outputs, width, ...rest] = weight?.shape ?? []
    if (x?.shape.at(-1) !== width || outputs === undefined || rest.length > 0) return undefined
    if (bias !== undefined && (bias.shape.length !== 1 || bias.shape[0] !== outputs)) {
      return undefined
    }
    return [...x!.shape.slice(0, -1), outputs]
  },
  forward(emitter, [x, weight, bias]) {
    const [outputs, width] = weight!.shape as [number, number]
    const rows = elementsOf(x!.shape) / width
    const operands = [emitter.reshape(x!.name, [rows, width]), weight!.name]
    if (bias !== undefined) operands.push(bias.name)
    const product = emitter.node('Gemm', operands, { transB: 1 })
    return emitter.reshape(product, [...x!.shape.slice(0, -1), outputs])
  },
})
