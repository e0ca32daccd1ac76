import { definePrimitive } from '../primitive.ts'

/** Inputs: x [items, tokens, width] and token [1, 1, width]. */
export const primitive = definePrimitive({
  id: 'prepend-token',
  about: 'y = token, x₀, x₁, … for every item',
  infer([x, token]) {
    if (x?.shape.length !== 3 || token?.shape.length !== 3) return undefined
    const [items, tokens, width] = x.shape as [number, number, number]
    const [one, single, same] = token.shape
    return one === 1 && single === 1 && same === width ? [items, tokens + 1, width] : undefined
  },
  forward(emitter, [x, token]) {
    const [items, , width] = x!.shape as [number, number, number]
    const repeated = emitter.node('Expand', [token!.name, emitter.wholes([items, 1, width])])
    return emitter.node('Concat', [repeated, x!.name], { axis: 1 })
  },
})
