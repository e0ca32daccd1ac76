import { definePrimitive } from '../primitive.ts'

/** Input: x [items, tokens, width]. Result: [items, width]. */
export const primitive = definePrimitive<{ index: number }>({
  id: 'select-token',
  about: 'y = x[:, index, :]',
  infer([x], { index }) {
    if (x?.shape.length !== 3 || index < 0 || index >= x.shape[1]!) return undefined
    return [x.shape[0]!, x.shape[2]!]
  },
  forward(emitter, [x], { index }) {
    const [items, , width] = x!.shape as [number, number, number]
    const bounds = [[index], [index + 1], [1]].map((values) => emitter.wholes(values))
    return emitter.reshape(emitter.node('Slice', [x!.name, ...bounds]), [items, width])
  },
})
