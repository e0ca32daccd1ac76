import { definePrimitive } from '../primitive.ts'

/** Inputs: table [rows, width] and int32 ids of any shape, each in [0, rows). */
export const primitive = definePrimitive({
  id: 'embedding',
  about: 'y[…] = table[ids[…]]',
  infer([table, ids]) {
    if (table?.shape.length !== 2 || ids?.type !== 'int32') return undefined
    return [...ids.shape, table.shape[1]!]
  },
  forward: (emitter, [table, ids]) => emitter.node('Gather', [table!.name, ids!.name], { axis: 0 }),
})
