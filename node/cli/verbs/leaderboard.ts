import { z } from 'zod'
import { describeRecipe, recipeId, tieGroups } from '../../../src/index.ts'
import { judgeVariant, viewSuite } from '../../board.ts'
import { referenceInput, typedNumber } from '../inputs.ts'
import { readNames } from '../names.ts'
import { formatNats, type Output } from '../output.ts'
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
    { flags: '--top <n>', about: 'only the first places', default: 100 },
  ],
  examples: ['deltaswarm leaderboard --data holdout'],
  online: true,
  input: z.strictObject({
    data: referenceInput,
    minMeasurers: z.int().min(1).max(64),
    against: referenceInput.optional(),
    top: z.int().min(1).max(10_000).default(100),
  }),
  parse: ({ options }) => ({
    data: options['data'],
    minMeasurers: typedNumber(options['minMeasurers']),
    top: typedNumber(options['top']),
    ...(options['against'] === undefined ? {} : { against: options['against'] }),
  }),
  async run(node, { data, minMeasurers, against, top }, options) {
    const suite = await node.suites.open(data, options)
    await node.network?.settled(options)
    const reference =
      against === undefined
        ? undefined
        : recipeId(await node.library.recipe(await node.library.resolve(against), options))
    const view = await viewSuite(node, suite, { minMeasurers })
    const names = await readNames(node, view.recipes)
    const places = view.board.standings
    const groups = tieGroups({ ...view.board, standings: places.slice(0, top) })
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
          name: names.of(id),
          recipe:
            recipe === undefined
              ? 'unknown recipe'
              : describeRecipe(recipe, { ...node.engine, name: (leaf) => names.of(leaf) }),
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
      /** Whether newer scores of others arrive here; else it is the board as it was stored. */
      live: node.network !== undefined,
      viewRoot: view.root,
      /** Places in all, of which the first ones follow. */
      places: places.length,
      standings,
      pending: view.board.pending.map(({ variant, shards, measurers }) => ({
        id: variant.toString(),
        name: names.of(variant),
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
  print({ standings, pending, equivocations, live }, output) {
    if (!live) output.note('the stored board: no node runs here that hears of newer scores')
    if (standings.length === 0)
      output.note('no variant has a place yet; --min-measurers 1 ranks what one node measured')
    else printStandings(standings, output)
    for (const { name, reason } of pending) output.note(`${name} has no place yet: ${reason}`)
    for (const { author } of equivocations) {
      output.note(`${author} contradicts itself and counts nothing`)
    }
  },
})

interface Row {
  readonly id: string
  readonly rank: number
  readonly tied: readonly [number, number]
  readonly name: string
  readonly recipe: string
  readonly loss: number
  readonly measurers: readonly unknown[]
  readonly reference?: string
  readonly difference?: number
  readonly ci?: readonly number[]
  readonly class?: string
}

function printStandings(standings: readonly Row[], output: Output): void {
  const references = new Set(standings.map(({ reference }) => reference))
  output.table(
    ['rank', 'variant', 'loss', 'difference', '95 % interval', 'class', 'measurers', 'recipe'],
    standings.map((row) => [
      row.tied[0] === row.tied[1] ? String(row.rank) : `${row.tied[0]}–${row.tied[1]}`,
      row.name,
      row.loss.toFixed(4),
      row.difference === undefined ? '–' : formatNats(row.difference),
      row.ci === undefined ? '–' : `[${row.ci.map((end) => formatNats(end)).join(', ')}]`,
      row.class ?? (references.has(row.id) ? 'reference' : 'not compared'),
      String(row.measurers.length),
      row.recipe,
    ]),
  )
  if (standings.some(({ tied: [first, last] }) => first !== last)) {
    output.note('equal rank ranges are not distinguishable on these items')
  }
}
