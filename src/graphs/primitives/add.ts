import { definePrimitive } from '../primitive.ts'

/** Inputs: a, and b of the same rank, which may have length 1 where a is longer. */
export const primitive = definePrimitive({
  id: 'add',
  about: 'y = a + b, with b repeated along its axes of length 1',
  infer([a, b]) {
    if (a === undefined || a.shape.length !== b?.shape.length) return undefined
    const fits = b.shape.every((length, axis) => length === 1 || length === a.shape[axis])
    return fits ? a.shape : undefined
  },
  forward: (emitter, [a, b]) => emitter.node('Add', [a!.name, b!.name]),
})
