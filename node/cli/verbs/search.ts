import { z } from 'zod'
import { NotFoundError } from '../../../src/index.ts'
import { championOf, viewSuite } from '../../board.ts'
import { measure } from '../../roles/evaluator.ts'
import { propose } from '../../roles/searcher.ts'
import { deviceInput, deviceOption, referenceInput, typedNumber } from '../inputs.ts'
import { readNames } from '../names.ts'
import { defineVerb } from './index.ts'

export const verb = defineVerb({
  id: 'search',
  group: 'scores',
  summary: 'propose variants around the champion of a suite, measure them, and go on from the best',
  options: [
    { flags: '--data <suite>', about: 'name or CID of the suite that steers', required: true },
    { flags: '--rounds <n>', about: 'rounds', default: 1 },
    { flags: '--proposals <n>', about: 'proposals per round', default: 2 },
    { flags: '--strategy <id>', about: 'strategy', default: 'hill-climb' },
    { flags: '--seed <n>', about: 'seed of the first round', default: 0 },
    { flags: '--min-measurers <n>', about: 'measurers that a champion needs', default: 1 },
    deviceOption,
    { flags: '--propose-only', about: 'announce the proposals and leave the measuring to later' },
  ],
  examples: ['deltaswarm search --data steer --rounds 3 --proposals 4'],
  online: true,
  input: z.strictObject({
    data: referenceInput,
    rounds: z.int().min(1).max(1000),
    proposals: z.int().min(1).max(256),
    strategy: z.string(),
    seed: z.int().nonnegative(),
    minMeasurers: z.int().min(1).max(64),
    proposeOnly: z.boolean(),
    device: deviceInput,
  }),
  parse: ({ options }) => ({
    data: options['data'],
    rounds: typedNumber(options['rounds']),
    proposals: typedNumber(options['proposals']),
    strategy: options['strategy'],
    seed: typedNumber(options['seed']),
    minMeasurers: typedNumber(options['minMeasurers']),
    proposeOnly: options['proposeOnly'] === true,
    ...(options['device'] === undefined ? {} : { device: options['device'] }),
  }),
  async run(node, input, options) {
    const suite = await node.suites.open(input.data, options)
    const look = async () => {
      const view = await viewSuite(node, suite, { minMeasurers: input.minMeasurers })
      const champion = championOf(view)
      if (champion === undefined) {
        throw new NotFoundError('E_NO_CHAMPION', 'no variant has a place on this suite yet', {
          expected: `one that ${input.minMeasurers} measured completely`,
          actual: 'none',
          fix: 'deltaswarm evaluate REF… --data SUITE',
        })
      }
      return { champion, loss: view.board.standings[0]!.loss }
    }
    const rounds = []
    let engine: string | undefined
    for (let round = 1; round <= input.rounds; round++) {
      const { champion } = await look()
      const proposals = await propose(
        node,
        {
          champion,
          strategy: input.strategy,
          count: input.proposals,
          seed: input.seed + round - 1,
        },
        options,
      )
      if (!input.proposeOnly) {
        const { device } = input
        const measured = await measure(node, { subjects: proposals, suite, device }, options)
        engine = measured.engine ?? engine
      }
      const after = await look()
      const names = await readNames(node, await node.library.variants())
      rounds.push({
        round,
        champion: after.champion.toString(),
        name: names.of(after.champion),
        loss: after.loss,
        proposals: proposals.map((id) => id.toString()),
      })
    }
    return {
      schema: 'deltaswarm.search/1',
      suite: suite.id.toString(),
      ...(engine === undefined ? {} : { engine }),
      rounds,
    }
  },
  ids: ({ rounds }) => rounds.flatMap(({ proposals }) => proposals),
  print({ rounds, engine }, output) {
    output.table(
      ['round', 'proposals', 'champion', 'loss'],
      rounds.map(({ round, proposals, name, loss }) => [
        String(round),
        String(proposals.length),
        name,
        loss.toFixed(4),
      ]),
    )
    if (engine !== undefined) output.note(`engine ${engine}`)
  },
})
