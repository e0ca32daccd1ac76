import { z } from 'zod'
import { sizesOf } from '../../library.ts'
import { referenceInput } from '../inputs.ts'
import { formatBytes } from '../output.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'fetch',
  group: 'deltas',
  summary: 'fetch a delta, a recipe with its deltas, or a suite, from any peer that has it',
  arguments: [['<refs...>', 'CIDs, names, @peer/name or short ids']],
  options: [
    { flags: '--peer <addr>', about: 'multiaddr of a peer to ask, repeatable', repeat: true },
  ],
  examples: ['deltaswarm fetch math', 'deltaswarm fetch bafyrei…'],
  online: true,
  input: z.strictObject({
    refs: z.array(referenceInput).min(1),
    peers: z.array(z.string()),
  }),
  parse: ({ args, options }) => ({
    refs: args[0],
    peers: (options['peer'] as string[] | undefined) ?? [],
  }),
  async run(node, { refs, peers }, options) {
    const network = await node.connect()
    for (const peer of peers) await network?.dial(peer, options)
    await network?.settled(options)
    const items = []
    for (const reference of refs) {
      const cid = await node.library.resolve(reference)
      const received = await node.library.ensure(cid, options)
      const { ownBytes, closureBytes } = await sizesOf(node.store, cid)
      const name = await node.library.nameOf(cid)
      items.push({ id: cid.toString(), name, received, ownBytes, closureBytes })
    }
    return { schema: 'deltaswarm.fetch/1', items }
  },
  ids: ({ items }) => items.map(({ id }) => id),
  print({ items }, output) {
    for (const { id, name, received, closureBytes } of items) {
      const how =
        received === 0 ? 'was here already' : `${formatBytes(received)} received, verified`
      output.line(`${name}  ${formatBytes(closureBytes)}, ${how}`)
      output.line(id)
    }
  },
})
