import { resolve } from 'node:path'
import { z } from 'zod'
import { commonGround, type Operand, resolveOperand } from '../../roles/operands.ts'
import { publishRecipe } from '../../roles/publisher.ts'
import { helpOnMerges } from '../entry-help.ts'
import { modeInput, nameInput, referenceInput, specInput } from '../inputs.ts'
import { printMade } from '../made.ts'
import { parseNumbers, parseSpec } from '../spec.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'merge',
  group: 'work',
  summary: 'make a variant of several deltas over one base and announce it',
  arguments: [['<refs...>', 'deltas or recipes over the same base']],
  options: [
    {
      flags: '--method <spec>',
      about: 'ties, task-arithmetic, or average (task-arithmetic with weights 1/n)',
      default: 'ties',
    },
    { flags: '--weights <list>', about: 'one number per operand, such as 0.5;0.5' },
    { flags: '-n, --name <name>', about: 'what to call the variant' },
    { flags: '--base <dir>', about: 'folder of the base, when it is not known here yet' },
    {
      flags: '--mode <mode>',
      about: 'paper, official or mergekit (default: the operands’, else paper)',
    },
  ],
  examples: [
    'deltaswarm merge math code --method ties=density:0.2 -n mix',
    'deltaswarm merge math code --method average',
  ],
  online: true,
  moreHelp: helpOnMerges,
  input: z.strictObject({
    refs: z.array(referenceInput).min(1).max(64),
    method: specInput,
    weights: z.array(z.number()).optional(),
    name: nameInput.optional(),
    base: z.string().optional(),
    mode: modeInput,
  }),
  parse: ({ args, options }) => ({
    refs: args[0],
    method: parseSpec(options['method'] as string),
    ...(options['mode'] === undefined ? {} : { mode: options['mode'] }),
    ...(options['weights'] === undefined
      ? {}
      : { weights: parseNumbers(options['weights'] as string) }),
    ...(options['name'] === undefined ? {} : { name: options['name'] }),
    ...(options['base'] === undefined ? {} : { base: resolve(options['base'] as string) }),
  }),
  async run(node, { refs, method, weights, name, base, mode }, options) {
    const operands: Operand[] = []
    for (const ref of refs) operands.push(await resolveOperand(node, ref, options))
    const ground = commonGround(operands, mode)
    if (base !== undefined) await node.bases.require(base, ground.base, options)
    const average = method.id === 'average'
    const given = weights ?? (average ? refs.map(() => 1 / refs.length) : undefined)
    const root = {
      operator: average ? 'task-arithmetic' : method.id,
      parameters: { ...method.parameters, ...(given === undefined ? {} : { weights: given }) },
      ...(method.scope === undefined ? {} : { scope: method.scope }),
      inputs: operands.map(({ recipe }) => recipe.root),
    }
    const summary = `${method.id} of ${operands.map((operand) => operand.name).join(', ')}`
    const about = { summary, ...(name === undefined ? {} : { name }) }
    const kept = await publishRecipe(node, { ...ground, root }, about, options)
    const id = kept.id.toString()
    return { schema: 'deltaswarm.merge/1', ...kept, id, announced: kept.shared, summary }
  },
  ids: ({ id }) => [id],
  print: printMade,
})
