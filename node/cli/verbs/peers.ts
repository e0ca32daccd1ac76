import { z } from 'zod'
import { formatBytes } from '../output.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'peers',
  group: 'network',
  summary: 'list the peers that this node is connected to',
  examples: ['deltaswarm peers', 'deltaswarm peers --json'],
  daemon: true,
  input: z.strictObject({}),
  parse: () => ({}),
  run: async (node) => ({ schema: 'deltaswarm.peers/1', peers: node.network?.peers() ?? [] }),
  ids: ({ peers }) => peers.map(({ peer }) => peer),
  print({ peers }, output) {
    if (peers.length === 0) {
      output.note('connected to nobody: deltaswarm up --peer ADDR')
      return
    }
    output.table(
      ['peer', 'address', 'in', 'out', 'state'],
      peers.map(({ peer, address, bytesIn, bytesOut, state }) => [
        peer,
        address,
        formatBytes(bytesIn),
        formatBytes(bytesOut),
        state,
      ]),
    )
  },
})
