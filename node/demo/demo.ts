import type { JobOptions } from '../job-options.ts'
import type { Inspection, Made, Row, Searched, Status, Suites } from './answers.ts'
import { type DemoDocument, type DemoRound, nodesOf, variantsOf, verdictOf } from './report.ts'
import {
  agreedChampion,
  baseFolder,
  COPIES,
  edits,
  evaluationFiles,
  eventually,
  everybodyKnows,
  expertFolder,
  experts,
  measureTogether,
  merges,
  wholeBoard,
} from './story.ts'
import { type Member, startSwarm } from './swarm.ts'

export interface DemoInit extends Pick<JobOptions, 'signal'> {
  readonly keep: boolean
  readonly now: () => number
  /** A sentence about what was just done, with the seconds it took. */
  readonly onStep: (text: string, seconds: number) => void
}

export interface DemoOutcome {
  readonly document: DemoDocument
  /** The final table, with what people call each variant and its mean loss. */
  readonly standings: readonly Row[]
  /** An honest sentence on whether the champion beats what was published. */
  readonly verdict: string
}

const ROUNDS = 3
const PROPOSALS = 2

/**
 * Three nodes on loopback live through the whole path: two publish trained experts, the third
 * fetches them by CID, edits and merges; all measure and sign; then they search together for a
 * better merge.
 */
export async function runDemo(init: DemoInit): Promise<DemoOutcome> {
  const { signal, now } = init
  const started = now()
  let last = started
  const timings: Record<string, number> = {}
  const step = (phase: string, text: string): void => {
    const seconds = (now() - last) / 1000
    last = now()
    timings[phase] = seconds
    init.onStep(text, seconds)
  }

  await using swarm = await startSwarm({
    names: ['alice', 'bob', 'carol'],
    keep: init.keep,
    signal,
  })
  const { members } = swarm
  const [alice, , carol] = members as [Member, Member, Member]
  await eventually('everybody is connected', { signal }, async () => {
    const all = await Promise.all(members.map((member) => member.ask<Status>('status')))
    return all.every(({ peers }) => peers === members.length - 1) ? true : undefined
  })
  step('start', `3 node processes on loopback: ${members.map(({ name }) => name).join(', ')}`)

  const published: (Made & { expert: string })[] = []
  for (const { member, expert, codec } of experts) {
    const made = await members[member]!.ask<Made>('publish', {
      post: expertFolder(expert),
      base: baseFolder,
      name: expert,
      codec,
      edits: [],
      licence: 'CC-BY-SA-3.0',
    })
    published.push({ ...made, expert })
  }
  const { suites } = await alice.ask<Suites>('data', {
    action: 'add',
    paths: evaluationFiles(),
    name: 'demo',
    metric: 'loss',
    split: ['steer', 'final'],
    mean: 0.5,
    deviation: 0.5,
    labelOffset: 0,
    licence: 'CC-BY-SA-3.0',
  })
  const [steer, final] = suites.map(({ id }) => id) as [string, string]
  await everybodyKnows(members, [...published.map(({ id }) => id), steer, final], { signal })
  step('publish', `alice published digits and fashion, bob latin and kana; ${suites.length} suites`)

  const before = await carol.ask<Status>('status')
  for (const { id } of published) await carol.ask('fetch', { refs: [id], peers: [] })
  const received = (await carol.ask<Status>('status')).bytesIn - before.bytesIn
  step('fetch', `carol, who has only the base, fetched them by CID: ${received} bytes, verified`)

  const kana = published.find(({ expert }) => expert === 'kana')!
  const made: string[] = []
  for (const { name, method } of merges) {
    const refs = published.map(({ id }) => id)
    const request = { refs, method, name, base: baseFolder, mode: 'official' }
    made.push((await carol.ask<Made>('merge', request)).id)
  }
  for (const { name, ...edit } of edits) {
    const request = { ref: kana.id, edits: [edit], name, mode: 'paper', publish: true }
    made.push((await carol.ask<Made>('edit', request)).id)
  }
  await everybodyKnows(members, made, { signal })
  step('edit', `carol made ${merges.length} merges and ${edits.length} edits, as recipes`)

  const { base } = await carol.ask<Inspection>('inspect', { ref: kana.id, tensors: false })
  const subjects = [base, ...published.map(({ id }) => id), ...made]
  const measured = new Set(await measureTogether(members, subjects, steer))
  let champion = await agreedChampion(members, steer, measured.size, { signal })
  step(
    'measure',
    `${subjects.length} variants measured on the suite that steers, ${COPIES} measurers per shard`,
  )

  const rounds: DemoRound[] = []
  for (let round = 1; round <= ROUNDS; round++) {
    const searched = await Promise.all(
      members.map((member) =>
        member.ask<Searched>('search', {
          data: steer,
          rounds: 1,
          proposals: PROPOSALS,
          strategy: 'hill-climb',
          seed: round,
          minMeasurers: COPIES,
          proposeOnly: true,
        }),
      ),
    )
    const proposals = [...new Set(searched.flatMap(({ rounds }) => rounds[0]!.proposals))]
    await everybodyKnows(members, proposals, { signal })
    for (const id of await measureTogether(members, proposals, steer)) measured.add(id)
    champion = await agreedChampion(members, steer, measured.size, { signal })
    const difference = champion.difference ?? null
    rounds.push({ round, proposals, champion: champion.id, difference })
    step(
      `round ${round}`,
      `round ${round}: ${proposals.length} proposals, champion ${champion.recipe}`,
    )
  }

  // What the champion is judged against may be a proposal too.
  const judged = champion.reference === undefined ? [] : [champion.reference]
  const finalists = await measureTogether(members, [...subjects, champion.id, ...judged], final)
  await agreedChampion(members, final, finalists.length, { signal })
  step('final', `${finalists.length} variants measured once on the suite that did not steer`)

  const { standings } = await wholeBoard(carol, final)
  const document: DemoDocument = {
    schema: 'deltaswarm.demo/1',
    nodes: await nodesOf(members),
    variants: await variantsOf(carol, final, standings),
    champion: champion.id,
    rounds,
    timings: { ...timings, total: (now() - started) / 1000 },
  }
  const verdict = await verdictOf(carol, final, champion.id, published)
  swarm.release()
  return { document, standings, verdict }
}
