import { z } from 'zod'
import { describeRecipe, recipeId, shortId, tieGroups } from '../../../src/index.ts'
import { judgeVariant, viewSuite } from '../../board.ts'
import { referenceInput } from '../inputs.ts'
import { formatNats } from '../output.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'leaderboard',
  group: 'scores',
  summary: 'rank the variants of a suite by the signed scores of everybody',
  options: [
    { flags: '--data <suite>', about: 'name or CID of the suite', required: true },
    { flags: '--min-measurers <n>', about: 'independent measurers that a shard needs', default: 2 },
    {
      flags: '--against <ref>',
      about: 'compare all with this one, not each with its own reference',
    },
  ],
  examples: ['deltaswarm leaderboard --data holdout'],
  online: true,
  input: z.strictObject({
    data: referenceInput,
    minMeasurers: z.int().min(1).max(64),
    against: referenceInput.optional(),
  }),
  parse: ({ options }) => ({
    data: options['data'],
    minMeasurers: Number(options['minMeasurers']),
    ...(options['against'] === undefined ? {} : { against: options['against'] }),
  }),
  async run(node, { data, minMeasurers, against }, options) {
    const suite = await node.suites.open(data, options)
    await node.network?.settled(options)
    const reference =
      against === undefined
        ? undefined
        : recipeId(await node.library.recipe(await node.library.resolve(against), options))
    const view = await viewSuite(node, suite, { minMeasurers })
    const names = new Map<string, string>()
    for (const item of await node.library.list()) names.set(item.cid.toString(), item.name)
    const groups = tieGroups(view.board)
    let first = 1
    const standings = groups.flatMap((group) => {
      const tied: readonly [number, number] = [first, first + group.length - 1]
      first += group.length
      return group.map((standing) => {
        const id = standing.variant.toString()
        const recipe = view.recipes.get(id)
        const comparison = judgeVariant(node, view, standing.variant, reference)
        return {
          id,
          rank: standing.rank,
          tied,
          name: names.get(id) ?? '',
          recipe:
            recipe === undefined
              ? 'unknown recipe'
              : describeRecipe(recipe, {
                  ...node.engine,
                  name: (leaf) =>
                    leaf.equals(recipe.base)
                      ? 'base'
                      : (names.get(leaf.toString()) ?? shortId(leaf)),
                }),
          loss: standing.loss,
          n: standing.losses.reduce((count, loss) => count + (Number.isNaN(loss) ? 0 : 1), 0),
          measurers: [...standing.measurers].map(([peer, n]) => ({ peer, n })),
          ...(comparison === undefined
            ? {}
            : {
                reference: comparison.reference.toString(),
                difference: comparison.difference,
                ci: [comparison.interval95.lower, comparison.interval95.upper],
                class: comparison.class,
              }),
        }
      })
    })
    return {
      schema: 'deltaswarm.leaderboard/1',
      suite: suite.id.toString(),
      items: suite.root.items,
      viewRoot: view.root,
      standings,
      pending: view.board.pending.map(({ variant, shards, measurers }) => ({
        id: variant.toString(),
        shards,
        of: suite.shards.length,
        measurers: measurers.size,
        reason: `fewer than ${minMeasurers} measurers on ${suite.shards.length - shards} shards`,
      })),
      equivocations: view.board.equivocations.map(({ author, records }) => ({
        author,
        records: records.map(({ id }) => id),
      })),
    }
  },
  ids: ({ standings }) => standings.map(({ id }) => id),
  print({ standings, pending, equivocations }, output) {
    output.table(
      ['rank', 'variant', 'loss', 'difference', '95 % interval', 'class', 'measurers', 'recipe'],
      standings.map((row) => [
        row.tied[0] === row.tied[1] ? String(row.rank) : `${row.tied[0]}–${row.tied[1]}`,
        row.name || shortId(row.id),
        row.loss.toFixed(4),
        row.difference === undefined ? '–' : formatNats(row.difference),
        row.ci === undefined ? '–' : `[${row.ci.map((end) => formatNats(end)).join(', ')}]`,
        row.class ?? 'reference',
        String(row.measurers.length),
        row.recipe,
      ]),
    )
    output.note('equal rank ranges are not distinguishable on these items')
    for (const { id, reason } of pending) output.note(`${shortId(id)} has no place yet: ${reason}`)
    for (const { author } of equivocations)
      output.note(`${author} contradicts itself and counts nothing`)
  },
})
