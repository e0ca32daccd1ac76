import { resolve } from 'node:path'
import { z } from 'zod'
import { judgeVariant, viewSuite } from '../../board.ts'
import { measure, referencesOfAll } from '../../roles/evaluator.ts'
import { deviceInput, deviceOption, referenceInput, typedNumber } from '../inputs.ts'
import { readNames } from '../names.ts'
import { formatNats } from '../output.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'evaluate',
  group: 'scores',
  summary: 'measure variants on a suite, sign the scores and pass both on',
  arguments: [['<refs...>', 'deltas or recipes']],
  options: [
    { flags: '--data <suite>', about: 'name or CID of the suite', required: true },
    { flags: '--base <dir>', about: 'folder of the base, when it is not known here yet' },
    {
      flags: '--share <peer>',
      about: 'divide the shards with this peer id, repeatable; each then measures a part',
      repeat: true,
    },
    { flags: '--copies <n>', about: 'how many measure each shard when it is divided', default: 2 },
    deviceOption,
    { flags: '--only', about: 'measure just these, not what they are judged against' },
  ],
  examples: ['deltaswarm evaluate mix math --data holdout'],
  online: true,
  input: z.strictObject({
    refs: z.array(referenceInput).min(1).max(1024),
    data: referenceInput,
    base: z.string().optional(),
    share: z.array(z.string()).optional(),
    copies: z.int().min(1).max(64),
    only: z.boolean().default(false),
    device: deviceInput,
  }),
  parse: ({ args, options }) => ({
    refs: args[0],
    data: options['data'],
    copies: typedNumber(options['copies']),
    // Whoever divides the work has said what is measured.
    only: options['only'] === true || options['share'] !== undefined,
    ...(options['device'] === undefined ? {} : { device: options['device'] }),
    ...(options['share'] === undefined ? {} : { share: options['share'] }),
    ...(options['base'] === undefined ? {} : { base: resolve(options['base'] as string) }),
  }),
  async run(node, { refs, data, base, share, copies, only, device }, options) {
    const suite = await node.suites.open(data, options)
    const subjects = []
    for (const ref of refs) subjects.push(await node.library.resolve(ref))
    if (base !== undefined) {
      const recipe = await node.library.recipe(subjects[0]!, options)
      await node.bases.require(base, recipe.base, options)
    }
    const references = only ? [] : await referencesOfAll(node, subjects, options)
    const { variants, measured, known, announced, engine } = await measure(
      node,
      {
        subjects: [...subjects, ...references],
        suite,
        device,
        ...(share === undefined ? {} : { share: { peers: share, copies } }),
      },
      options,
    )
    const view = await viewSuite(node, suite, { minMeasurers: 1, minShards: 1 })
    const names = await readNames(node, view.recipes)
    return {
      schema: 'deltaswarm.evaluate/1',
      suite: suite.id.toString(),
      measured,
      known,
      announced: announced.map(String),
      ...(engine === undefined ? {} : { engine }),
      variants: variants.slice(0, refs.length).map((id, i) => {
        const standing = view.board.standings.find(({ variant }) => variant.equals(id))
        const comparison = judgeVariant(node, view, id)
        return {
          id: id.toString(),
          ref: refs[i]!,
          name: names.of(id),
          loss: standing?.loss ?? null,
          shards: standing?.shards ?? 0,
          ...(comparison === undefined
            ? {}
            : {
                reference: comparison.reference.toString(),
                against: names.of(comparison.reference),
                difference: comparison.difference,
                ci: [comparison.interval95.lower, comparison.interval95.upper],
                class: comparison.class,
              }),
        }
      }),
    }
  },
  ids: ({ variants }) => variants.map(({ id }) => id),
  print({ variants, measured, known, announced, engine }, output) {
    output.table(
      ['variant', 'loss', 'shards', 'against', 'difference', '95 % interval', 'class'],
      variants.map(({ name, loss, shards, against, difference, ci, class: verdict }) => [
        name,
        loss === null ? '–' : loss.toFixed(4),
        String(shards),
        against ?? '–',
        difference === undefined ? '–' : formatNats(difference),
        ci === undefined ? '–' : `[${ci.map((end) => formatNats(end)).join(', ')}]`,
        verdict ?? 'not compared',
      ]),
    )
    output.note(`${measured} shards measured and signed, ${known} were here already`)
    if (announced.length > 0) {
      const what = announced.length === 1 ? 'variant' : 'variants'
      output.note(`${announced.length} ${what} announced, so that peers can check the scores`)
    }
    if (engine !== undefined) output.note(`engine ${engine}`)
  },
})
