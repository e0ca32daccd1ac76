import { sameShape } from '../../tensors/tensor.ts'
import { definePrimitive } from '../primitive.ts'

/** Inputs: a and b of one shape. */
export const primitive = definePrimitive({
  id: 'multiply',
  about: 'y = a · b, element by element',
  infer([a, b]) {
    return a !== undefined && b !== undefined && sameShape(a.shape, b.shape) ? a.shape : undefined
  },
  forward: (emitter, [a, b]) => emitter.node('Mul', [a!.name, b!.name]),
})
