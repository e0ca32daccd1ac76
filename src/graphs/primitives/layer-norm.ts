import { sameShape } from '../../tensors/tensor.ts'
import { definePrimitive } from '../primitive.ts'

/** Ba et al. 2016 (arXiv 1607.06450). Inputs: x [… , width], weight [width], bias [width]. */
export const primitive = definePrimitive<{ epsilon: number }>({
  id: 'layer-norm',
  about: 'y = weight · (x − mean(x)) / √(var(x) + epsilon) + bias over the last axis',
  infer([x, weight, bias]) {
    if (x === undefined || weight === undefined || bias === undefined) return undefined
    const width = x.shape.slice(-1)
    return sameShape(width, weight.shape) && sameShape(width, bias.shape) ? x.shape : undefined
  },
  forward: (emitter, [x, weight, bias], { epsilon }) =>
    emitter.node('LayerNormalization', [x!.name, weight!.name, bias!.name], {
      axis: -1,
      epsilon: { float: epsilon },
    }),
})
