import { z } from 'zod'
import { viewRoot } from '../../../src/index.ts'
import { scoreRecords } from '../../board.ts'
import { formatBytes } from '../output.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'status',
  group: 'start',
  summary: 'show the running node: peers, store, traffic, and what it holds back',
  examples: ['deltaswarm status', 'deltaswarm status --json'],
  daemon: true,
  input: z.strictObject({}),
  parse: () => ({}),
  async run(node) {
    const { network, store } = node
    const suites = (await node.library.list()).filter(({ kind }) => kind === 'suite')
    const views = []
    const all = []
    for (const { cid, name } of suites) {
      const records = await scoreRecords(node, cid)
      all.push(...records)
      views.push({
        suite: cid.toString(),
        name,
        records: records.length,
        viewRoot: viewRoot(records),
      })
    }
    return {
      schema: 'deltaswarm.status/1',
      peer: node.peer,
      pid: process.pid,
      home: node.config.home,
      /** Where variants are measured, and why; known once something was measured. */
      engine: node.engine.device?.line ?? `${node.config.device}, nothing measured yet`,
      addresses: network?.addresses() ?? [],
      peers: network?.peers().length ?? 0,
      records: store.records.size,
      ...(await store.blocks.usage()),
      bytesIn: network?.bytesIn ?? 0,
      bytesOut: network?.bytesOut ?? 0,
      views,
      /** Of all suites together. */
      viewRoot: viewRoot(all),
      /** Records whose clock runs ahead of ours; they count when their time has come. */
      heldBack: network?.heldBack() ?? [],
      /** Peers that sent what they had to know is wrong. */
      refused: network?.refused() ?? [],
      repaired: store.findings,
      quarantined: store.blocks.quarantined,
    }
  },
  ids: ({ peer }) => [peer],
  print(result, output) {
    output.line(`node ${result.peer}, pid ${result.pid}`)
    for (const address of result.addresses) output.line(`listens on ${address}`)
    output.line(`engine ${result.engine}`)
    output.line(
      `${result.peers} peers, ${result.records} records, ${result.blocks} blocks (${formatBytes(result.bytes)})`,
    )
    output.line(`in ${formatBytes(result.bytesIn)}, out ${formatBytes(result.bytesOut)}`)
    for (const { name, records, viewRoot } of result.views) {
      output.line(`suite ${name}: ${records} scores, view ${viewRoot.slice(0, 16)}`)
    }
    for (const { author, at } of result.heldBack) {
      output.line(`held back: a record of ${author} from the future, ${at}`)
    }
    for (const { peer, count, reason } of result.refused) {
      output.line(`refused ${count} times what ${peer} sent, last: ${reason}`)
    }
    for (const finding of result.repaired) output.line(`repaired: ${finding}`)
    for (const cid of result.quarantined) output.line(`quarantined: block ${cid} was damaged`)
  },
})
