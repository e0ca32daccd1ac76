import { resolve } from 'node:path'
import { z } from 'zod'
import { exportFolder } from '../../roles/exporter.ts'
import { referenceInput } from '../inputs.ts'
import { formatBytes } from '../output.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'export',
  group: 'files',
  summary: 'write the weights of a delta or a recipe as a folder that transformers loads',
  arguments: [['<ref>', 'a delta or a recipe']],
  options: [
    { flags: '--to <format>', about: 'hf', default: 'hf' },
    { flags: '-o, --out <dir>', about: 'folder to write; it must not exist', required: true },
    { flags: '--base <dir>', about: 'folder of the base, when it is not known here yet' },
  ],
  examples: ['deltaswarm export mix --to hf -o ./mix'],
  online: true,
  input: z.strictObject({
    ref: referenceInput,
    to: z.literal('hf'),
    out: z.string(),
    base: z.string().optional(),
  }),
  parse: ({ args, options }) => ({
    ref: args[0],
    to: options['to'],
    out: resolve(options['out'] as string),
    ...(options['base'] === undefined ? {} : { base: resolve(options['base'] as string) }),
  }),
  async run(node, { ref, out, base }, options) {
    const subject = await node.library.resolve(ref)
    if (base !== undefined) {
      const recipe = await node.library.recipe(subject, options)
      await node.bases.require(base, recipe.base, options)
    }
    const exported = await exportFolder(node, { subject, out }, options)
    return { schema: 'deltaswarm.export/1', ...exported, variant: exported.variant.toString() }
  },
  ids: ({ path }) => [path],
  print({ path, tensors, bytes }, output) {
    output.line(`${tensors} tensors, ${formatBytes(bytes)}`)
    output.line(path)
  },
})
