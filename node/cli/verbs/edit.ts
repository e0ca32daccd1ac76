import { z } from 'zod'
import { InvalidInputError } from '../../../src/index.ts'
import { MATERIALISE_CODEC } from '../../roles/materialiser.ts'
import { edit } from '../../roles/editor.ts'
import { helpOnEdits } from '../entry-help.ts'
import {
  codecInput,
  editInput,
  modeInput,
  nameInput,
  referenceInput,
  seedInput,
  typedNumber,
} from '../inputs.ts'
import { printMade } from '../made.ts'
import { printPreview } from '../preview.ts'
import { parseCodec, parseEdit } from '../spec.ts'
import { defineVerb, type Parsed } from './index.ts'

export const verb = defineVerb({
  id: 'edit',
  group: 'work',
  summary: 'make a variant of one delta with a chain of edits: a recipe, kept here',
  arguments: [
    ['<ref>', 'a delta or a recipe'],
    ['<edits...>', 'OP=NAME:VALUE,… applied first to last; also scope:PATTERN and by:REF'],
  ],
  options: [
    { flags: '-n, --name <name>', about: 'what to call the variant' },
    { flags: '--seed <n>', about: 'for every edit that takes a seed and was given none' },
    { flags: '--publish', about: 'announce it to peers' },
    { flags: '--dry-run', about: 'measure what it does and what it costs; keep nothing' },
    { flags: '--materialise', about: 'store the edited delta itself instead of a recipe' },
    {
      flags: '--codec <spec>',
      about: `with --materialise (default: ${MATERIALISE_CODEC.codec}, the very weights of the recipe)`,
    },
    {
      flags: '--mode <mode>',
      about: 'paper, official or mergekit (default: the operands’, else paper)',
    },
  ],
  examples: [
    'deltaswarm edit math dare=p:0.9 --seed 7 --dry-run',
    'deltaswarm edit math dare=p:0.9 --seed 7 -n math-sparse --publish',
    "deltaswarm edit math 'scale=alpha:0.2,scope:matrices|!*.0.*' -n math-further",
    'deltaswarm edit math trim=density:0.1 -n math-thin --materialise --codec sparse=values:BF16',
  ],
  online: true,
  moreHelp: helpOnEdits,
  input: z.strictObject({
    ref: referenceInput,
    edits: z.array(editInput).min(1).max(8),
    name: nameInput.optional(),
    mode: modeInput,
    seed: seedInput.optional(),
    publish: z.boolean().default(false),
    dryRun: z.boolean().default(false),
    materialise: codecInput.optional(),
  }),
  parse: ({ args, options }) => ({
    ref: args[0],
    edits: (args[1] as readonly string[]).map(parseEdit),
    publish: options['publish'] === true,
    dryRun: options['dryRun'] === true,
    ...(options['seed'] === undefined ? {} : { seed: typedNumber(options['seed']) }),
    ...(options['mode'] === undefined ? {} : { mode: options['mode'] }),
    ...(options['name'] === undefined ? {} : { name: options['name'] }),
    ...materialiseOf(options),
  }),
  async run(node, request, options) {
    const edited = await edit(node, request, options)
    const { dryRun } = request
    return { schema: 'deltaswarm.edit/1', ...edited, id: edited.id.toString(), dryRun }
  },
  ids: ({ id }) => [id],
  print(result, output) {
    if (result.preview !== undefined) printPreview(result.preview, output)
    printMade(result, output)
  },
})

function materialiseOf(options: Parsed['options']) {
  const codec = options['codec'] as string | undefined
  if (options['materialise'] === true) {
    const { codec: id, parameters } = MATERIALISE_CODEC
    return { materialise: codec === undefined ? { id, parameters } : parseCodec(codec) }
  }
  if (codec === undefined) return {}
  throw new InvalidInputError('E_CODEC_ALONE', 'a recipe is not encoded', {
    expected: '--codec together with --materialise',
    actual: `--codec ${codec}`,
    fix: 'add --materialise, or leave --codec out',
  })
}
