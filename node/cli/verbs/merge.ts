import { resolve } from 'node:path'
import { z } from 'zod'
import { IncompatibleError, type RecipeNode } from '../../../src/index.ts'
import { publishRecipe } from '../../roles/publisher.ts'
import { nameInput, referenceInput, specInput } from '../inputs.ts'
import { formatBytes } from '../output.ts'
import { parseNumbers, parseSpec } from '../spec.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'merge',
  group: 'work',
  summary: 'make a variant of several deltas over one base',
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
    { flags: '--mode <mode>', about: 'paper, official or mergekit', default: 'paper' },
  ],
  examples: [
    'deltaswarm merge math code --method ties=density:0.2 -n mix',
    'deltaswarm merge math code --method average',
  ],
  online: true,
  input: z.strictObject({
    refs: z.array(referenceInput).min(1).max(64),
    method: specInput,
    weights: z.array(z.number()).optional(),
    name: nameInput.optional(),
    base: z.string().optional(),
    mode: z.enum(['paper', 'official', 'mergekit']),
  }),
  parse: ({ args, options }) => ({
    refs: args[0],
    method: parseSpec(options['method'] as string),
    mode: options['mode'],
    ...(options['weights'] === undefined
      ? {}
      : { weights: parseNumbers(options['weights'] as string) }),
    ...(options['name'] === undefined ? {} : { name: options['name'] }),
    ...(options['base'] === undefined ? {} : { base: resolve(options['base'] as string) }),
  }),
  async run(node, { refs, method, weights, name, base, mode }, options) {
    const operands: { name: string; root: RecipeNode }[] = []
    let over: Awaited<ReturnType<typeof node.library.recipe>>['base'] | undefined
    for (const ref of refs) {
      const cid = await node.library.resolve(ref)
      const recipe = await node.library.recipe(cid, options)
      over ??= recipe.base
      if (over.toString() !== recipe.base.toString()) {
        throw new IncompatibleError('E_BASE_MISMATCH', `${ref} was made against another base`, {
          expected: over.toString(),
          actual: recipe.base.toString(),
          fix: 'merge deltas of one base',
        })
      }
      operands.push({ name: await node.library.nameOf(cid), root: recipe.root })
    }
    if (base !== undefined) await node.bases.require(base, over!, options)
    const average = method.id === 'average'
    const given = weights ?? (average ? refs.map(() => 1 / refs.length) : undefined)
    const root = {
      operator: average ? 'task-arithmetic' : method.id,
      parameters: { ...method.parameters, ...(given === undefined ? {} : { weights: given }) },
      ...(method.scope === undefined ? {} : { scope: method.scope }),
      inputs: operands.map((operand) => operand.root),
    }
    const summary = `${method.id} of ${operands.map((operand) => operand.name).join(', ')}`
    const about = { summary, ...(name === undefined ? {} : { name }) }
    const kept = await publishRecipe(node, { base: over!, root, mode }, about, options)
    return { schema: 'deltaswarm.merge/1', ...kept, id: kept.id.toString(), summary }
  },
  ids: ({ id }) => [id],
  print({ id, ownBytes, closureBytes, shared, summary }, output) {
    output.line(`${summary}  own ${formatBytes(ownBytes)}, closure ${formatBytes(closureBytes)}`)
    output.line(id)
    if (!shared)
      output.note('local: it names weights that no peer can fetch, so it was not announced')
  },
})
