import { definePrimitive } from '../primitive.ts'

export const primitive = definePrimitive({
  id: 'silu',
  about: 'y = x / (1 + e^−x)',
  infer: ([x]) => x?.shape,
  forward: (emitter, [x]) => emitter.node('Mul', [x!.name, emitter.node('Sigmoid', [x!.name])]),
})
