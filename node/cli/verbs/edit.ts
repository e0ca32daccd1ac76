import { z } from 'zod'
import { withEdits } from '../../roles/edits.ts'
import { commonGround } from '../../roles/operands.ts'
import { publishRecipe } from '../../roles/publisher.ts'
import { modeInput, nameInput, referenceInput, specInput } from '../inputs.ts'
import { printMade } from '../made.ts'
import { parseSpec } from '../spec.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'edit',
  group: 'work',
  summary: 'make a variant of one delta: scale, dare, drop, trim or through a codec',
  arguments: [
    ['<ref>', 'a delta or a recipe'],
    ['<edits...>', 'OP=NAME:VALUE,… applied first to last'],
  ],
  options: [
    { flags: '-n, --name <name>', about: 'what to call the variant' },
    {
      flags: '--mode <mode>',
      about: 'paper, official or mergekit (default: the operands’, else paper)',
    },
  ],
  examples: [
    'deltaswarm edit math dare=p:0.9,seed:7 -n math-sparse',
    'deltaswarm edit math scale=alpha:0.2',
    'deltaswarm edit math through=codec:bitdelta',
  ],
  online: true,
  input: z.strictObject({
    ref: referenceInput,
    edits: z.array(specInput).min(1).max(8),
    name: nameInput.optional(),
    mode: modeInput,
  }),
  parse: ({ args, options }) => ({
    ref: args[0],
    edits: (args[1] as readonly string[]).map(parseSpec),
    ...(options['mode'] === undefined ? {} : { mode: options['mode'] }),
    ...(options['name'] === undefined ? {} : { name: options['name'] }),
  }),
  async run(node, { ref, edits, name, mode }, options) {
    const parent = await node.library.resolve(ref)
    const recipe = await node.library.recipe(parent, options)
    const root = withEdits(
      recipe.root,
      edits.map(({ id, ...step }) => ({ operator: id, ...step })),
    )
    const called = await node.library.nameOf(parent)
    const ground = commonGround([{ name: called, recipe }], mode)
    const summary = `${edits.map(({ id }) => id).join(', ')} of ${called}`
    const about = { summary, ...(name === undefined ? {} : { name }) }
    const kept = await publishRecipe(node, { ...ground, root }, about, options)
    return { schema: 'deltaswarm.edit/1', ...kept, id: kept.id.toString(), summary }
  },
  ids: ({ id }) => [id],
  print: printMade,
})
