import { z } from 'zod'
import { shortId } from '../../../src/index.ts'
import { formatBytes } from '../output.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'ls',
  group: 'deltas',
  summary: 'list the deltas, recipes and suites that this node knows',
  options: [{ flags: '--kind <kind>', about: 'delta, recipe or suite only' }],
  examples: ['deltaswarm ls', 'deltaswarm ls --kind delta -q'],
  input: z.strictObject({ kind: z.enum(['delta', 'recipe', 'suite']).optional() }),
  parse: ({ options }) => (options['kind'] === undefined ? {} : { kind: options['kind'] }),
  async run(node, { kind }) {
    const items = []
    const { library } = node
    for (const item of [...(await library.list()), ...(await library.local())]) {
      if (kind !== undefined && item.kind !== kind) continue
      items.push({
        id: item.cid.toString(),
        kind: item.kind,
        name: item.name,
        author: item.authors[0] ?? node.peer,
        announced: item.authors.length > 0,
        bytes: item.bytes,
        closureBytes: item.closureBytes,
        ...(item.base === undefined ? {} : { base: item.base.toString() }),
        here: await library.has(item.cid),
        summary: item.summary,
      })
    }
    return { schema: 'deltaswarm.ls/1', items }
  },
  ids: ({ items }) => items.map(({ id }) => id),
  print({ items }, output) {
    if (items.length === 0) {
      output.note('nothing yet: deltaswarm publish <your-finetune> --base <its-base> -n <name>')
      return
    }
    output.table(
      ['name', 'id', 'kind', 'size', 'closure', 'here', 'author', 'about'],
      items.map((item) => [
        item.name || '–',
        shortId(item.id),
        item.kind,
        formatBytes(item.bytes),
        formatBytes(item.closureBytes),
        item.here ? 'yes' : 'no',
        item.author.slice(-8),
        item.summary,
      ]),
    )
  },
})
