import { resolve } from 'node:path'
import { z } from 'zod'
import { createCodecChooser } from '../../../src/index.ts'
import { publish } from '../../roles/publisher.ts'
import { nameInput, specInput } from '../inputs.ts'
import { formatBytes } from '../output.ts'
import { parseSpec } from '../spec.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'publish',
  group: 'deltas',
  summary: 'publish a fine-tune as the difference from its base',
  arguments: [['<post>', 'folder or .safetensors file of the fine-tune']],
  options: [
    { flags: '--base <dir>', about: 'folder of the base it was made from', required: true },
    { flags: '-n, --name <name>', about: 'what to call it', required: true },
    {
      flags: '--codec <spec>',
      about:
        'raw (exact), bitdelta, ternary, integer=bits:4, sparse=values:BF16, auto=error:0.05, …',
      default: 'raw',
    },
    {
      flags: '--edit <spec>',
      about: 'edit before encoding, such as dare=p:0.9, repeatable',
      repeat: true,
    },
    { flags: '--license <spdx>', about: 'licence of the delta', default: 'NOASSERTION' },
  ],
  examples: [
    'deltaswarm publish ./math --base ./base -n math',
    'deltaswarm publish ./math --base ./base -n math-1bit --codec bitdelta',
    'deltaswarm publish ./math --base ./base -n math-small --codec auto=error:0.1',
    'deltaswarm publish ./math --base ./base -n math-sparse --edit dare=p:0.9,seed:7 \\',
    '    --codec sparse=mask:seeded,drop:0.9,seed:7',
  ],
  input: z.strictObject({
    post: z.string(),
    base: z.string(),
    name: nameInput,
    codec: specInput,
    edits: z.array(specInput),
    licence: z.string().max(128),
  }),
  parse({ args, options }) {
    return {
      post: resolve(args[0] as string),
      base: resolve(options['base'] as string),
      name: options['name'],
      codec: parseSpec(options['codec'] as string),
      edits: ((options['edit'] as string[] | undefined) ?? []).map(parseSpec),
      licence: options['license'],
    }
  },
  async run(node, { codec, edits, ...request }, options) {
    const { id, parameters, scope } = codec
    const choice = { codec: id, parameters, ...(scope === undefined ? {} : { scope }) }
    const steps = edits.map(({ id: operator, ...step }) => ({ operator, ...step }))
    // Said before two checkpoints are hashed, not after.
    createCodecChooser(choice, node.engine)
    for (const { operator } of steps) node.engine.operators.get(operator)
    const published = await publish(node, { ...request, codec: choice, edits: steps }, options)
    return {
      schema: 'deltaswarm.publish/1',
      name: request.name,
      ...published,
      id: published.id.toString(),
      variant: published.variant.toString(),
      served: node.network !== undefined,
    }
  },
  ids: ({ id }) => [id],
  print(result, output) {
    output.line(
      `${result.name}  ${result.tensors} tensors, ${formatBytes(result.bytes)}, ` +
        `${result.bpw.toPrecision(3)} bits per weight, ${formatError(result.relativeError)}`,
    )
    output.line(result.id)
    if (!result.served) {
      output.note('stored and signed; nobody can fetch it until: deltaswarm up')
    }
  },
})

function formatError(relativeError: number): string {
  return relativeError === 0 ? 'nothing lost' : `relative error ${relativeError.toPrecision(2)}`
}
