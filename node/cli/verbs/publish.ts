import { resolve } from 'node:path'
import { z } from 'zod'
import { checkCodec } from '../../roles/codec.ts'
import { resolveEdits } from '../../roles/edits.ts'
import { publish } from '../../roles/publisher.ts'
import { helpOnCodecs } from '../entry-help.ts'
import { codecInput, editInput, modeInput, nameInput, seedInput, typedNumber } from '../inputs.ts'
import { formatFigure } from '../figures.ts'
import { encodingText, sharedText } from '../made.ts'
import { formatBytes } from '../output.ts'
import { parseCodec, parseEdit } from '../spec.ts'
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
      about: 'one of those below, or auto=error:0.05: the smallest within an error, per tensor',
      default: 'raw',
    },
    {
      flags: '--edit <spec>',
      about: 'edit before encoding, such as dare=p:0.9, repeatable',
      repeat: true,
    },
    { flags: '--seed <n>', about: 'for every edit that takes a seed and was given none' },
    {
      flags: '--mode <mode>',
      about: 'how edits are read: paper, official or mergekit (default: paper)',
    },
    {
      flags: '--calibration <file>',
      about: 'activations in safetensors: scales are fitted to outputs (below)',
    },
    { flags: '--license <spdx>', about: 'licence of the delta', default: 'NOASSERTION' },
    { flags: '--dry-run', about: 'encode and say what comes out; store and announce nothing' },
  ],
  examples: [
    'deltaswarm publish ./math --base ./base -n math',
    'deltaswarm publish ./math --base ./base -n math-1bit --codec bitdelta --dry-run',
    'deltaswarm publish ./math --base ./base -n math-1bit --codec bitdelta',
    'deltaswarm publish ./math --base ./base -n math-small --codec auto=error:0.1',
    'deltaswarm publish ./math --base ./base -n math-2bit --codec residual=bits:2',
    'deltaswarm publish ./more --base ./base -n more-2bit --codec residual=like:math-2bit',
    'deltaswarm publish ./math --base ./base -n math-sparse --edit dare=p:0.9,seed:7 \\',
    '    --codec sparse=mask:seeded,drop:0.9,seed:7',
  ],
  moreHelp: helpOnCodecs,
  input: z.strictObject({
    post: z.string(),
    base: z.string(),
    name: nameInput,
    codec: codecInput,
    edits: z.array(editInput).max(8),
    seed: seedInput.optional(),
    mode: modeInput,
    licence: z.string().max(128),
    dryRun: z.boolean().default(false),
    calibration: z.string().optional(),
  }),
  parse({ args, options }) {
    return {
      post: resolve(args[0] as string),
      base: resolve(options['base'] as string),
      name: options['name'],
      codec: parseCodec(options['codec'] as string),
      edits: ((options['edit'] as string[] | undefined) ?? []).map(parseEdit),
      ...(options['seed'] === undefined ? {} : { seed: typedNumber(options['seed']) }),
      ...(options['mode'] === undefined ? {} : { mode: options['mode'] }),
      licence: options['license'],
      dryRun: options['dryRun'] === true,
      ...(options['calibration'] === undefined
        ? {}
        : { calibration: resolve(options['calibration'] as string) }),
    }
  },
  async run(node, { edits, seed, ...request }, options) {
    // Said before two checkpoints are hashed, not after.
    checkCodec(node, request.codec)
    for (const { operator } of edits) node.engine.operators.get(operator)
    const steps = await resolveEdits(node, edits, { ...options, seed })
    const published = await publish(node, { ...request, edits: steps }, options)
    return {
      schema: 'deltaswarm.publish/1',
      name: request.name,
      ...published,
      id: published.id.toString(),
      variant: published.variant.toString(),
      edited: edits.length > 0,
      dryRun: request.dryRun,
      served: !request.dryRun && node.network !== undefined,
    }
  },
  ids: ({ id }) => [id],
  print(result, output) {
    const { name, tensors, bytes, edited, editError, dryRun } = result
    const change = edited ? `, ${formatFigure(editError)} against the delta before the edits` : ''
    output.line(
      `${name}  ${tensors} tensors, ${formatBytes(bytes)}, ${encodingText(result)}${change}`,
    )
    output.line(result.id)
    if (result.like !== undefined) output.note(sharedText(result.like))
    if (result.calibrated !== undefined) {
      output.note(`scales of ${result.calibrated} tensors fitted to the activations`)
    }
    if (dryRun) {
      output.note('nothing was stored: leave --dry-run out to publish it')
    } else if (!result.served) {
      output.note('stored and signed; nobody can fetch it until: deltaswarm up')
    }
  },
})
