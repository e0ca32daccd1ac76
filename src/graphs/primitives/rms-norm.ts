import { sameShape } from '../../tensors/tensor.ts'
import { definePrimitive } from '../primitive.ts'

/** Zhang and Sennrich 2019 (arXiv 1910.07467), eq. 4. Inputs: x [… , width], weight [width]. */
export const primitive = definePrimitive<{ epsilon: number }>({
  id: 'rms-norm',
  about: 'y = weight · x / √(mean(x²) + epsilon) over the last axis',
  infer([x, weight]) {
    if (x === undefined || weight === undefined) return undefined
    return sameShape(x.shape.slice(-1), weight.shape) ? x.shape : undefined
  },
  forward: (emitter, [x, weight], { epsilon }) =>
    emitter.node('RMSNormalization', [x!.name, weight!.name], {
      axis: -1,
      epsilon: { float: epsilon },
    }),
})
