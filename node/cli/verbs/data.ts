import { resolve } from 'node:path'
import { z } from 'zod'
import { InvalidInputError, shortId } from '../../../src/index.ts'
import { addData } from '../../roles/curator.ts'
import { nameInput, typedNumber } from '../inputs.ts'
import { formatBytes } from '../output.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'data',
  group: 'scores',
  summary: 'add held-out data as an open suite that peers can fetch, or list the suites known here',
  arguments: [
    ['<action>', 'add or ls'],
    ['[paths...]', 'prepared .safetensors files, or folders of class folders with PNG files'],
  ],
  options: [
    { flags: '-n, --name <name>', about: 'what to call the suite' },
    { flags: '--metric <metric>', about: 'loss or accuracy', default: 'loss' },
    { flags: '--split <names>', about: 'split the items by hash into parts, such as steer,final' },
    { flags: '--mean <x>', about: 'subtracted from pixels in [0, 1]', default: 0.5 },
    { flags: '--deviation <x>', about: 'pixels are divided by it', default: 0.5 },
    { flags: '--label-offset <n>', about: 'first logit of an image folder’s classes', default: 0 },
    { flags: '--license <spdx>', about: 'licence of the items', default: 'NOASSERTION' },
  ],
  examples: [
    'deltaswarm data add eval/*.safetensors -n holdout',
    'deltaswarm data add eval/digits.safetensors -n digits --split steer,final',
    'deltaswarm data ls',
  ],
  input: z.discriminatedUnion('action', [
    z.strictObject({ action: z.literal('ls') }),
    z.strictObject({
      action: z.literal('add'),
      paths: z.array(z.string()).min(1).max(256),
      name: nameInput,
      metric: z.enum(['loss', 'accuracy']),
      split: z
        .array(nameInput)
        .max(16)
        .refine((names) => new Set(names).size === names.length, 'expected different names'),
      mean: z.number(),
      deviation: z.number().positive(),
      labelOffset: z.int().nonnegative(),
      licence: z.string().max(128),
    }),
  ]),
  parse({ args, options }) {
    if (args[0] !== 'add') return { action: args[0] }
    const paths = (args[1] as readonly string[]).map((path) => resolve(path))
    if (options['name'] === undefined) {
      throw new InvalidInputError('E_NAME_NEEDED', 'a suite needs a name', {
        expected: '--name NAME',
        actual: 'none',
        fix: 'deltaswarm data add PATH… --name holdout',
      })
    }
    return {
      action: 'add',
      paths,
      name: options['name'],
      metric: options['metric'],
      split: options['split'] === undefined ? [] : (options['split'] as string).split(','),
      mean: typedNumber(options['mean']),
      deviation: typedNumber(options['deviation']),
      labelOffset: typedNumber(options['labelOffset']),
      licence: options['license'],
    }
  },
  async run(node, input) {
    if (input.action === 'add') {
      const added = await addData(node, input)
      const suites = added.map((suite) => ({ ...suite, id: suite.id.toString() }))
      return { schema: 'deltaswarm.data/1', suites }
    }
    const listed = await node.library.list()
    const named = await node.store.data.all()
    const suites = listed
      .filter(({ kind }) => kind === 'suite')
      .map(({ cid, name, bytes, summary }) => ({
        id: cid.toString(),
        name: [...named].find(([, id]) => id === cid.toString())?.[0] ?? name,
        bytes,
        summary,
      }))
    return { schema: 'deltaswarm.data/1', suites }
  },
  ids: ({ suites }) => suites.map(({ id }) => id),
  print({ suites }, output) {
    if (suites.length === 0) {
      output.note('nothing yet: deltaswarm data add PATH… --name <name>')
      return
    }
    output.table(
      ['name', 'id', 'size', 'about'],
      suites.map(({ name, id, bytes, summary }) => [
        name,
        shortId(id),
        formatBytes(bytes),
        summary,
      ]),
    )
  },
})
