import { definePrimitive } from '../primitive.ts'

/** Hendrycks and Gimpel 2016 (arXiv 1606.08415), the exact form, not the one with tanh. */
export const primitive = definePrimitive({
  id: 'gelu',
  about: 'y = x/2 · (1 + erf(x/√2))',
  infer: ([x]) => x?.shape,
  forward: (emitter, [x]) => emitter.node('Gelu', [x!.name]),
})
