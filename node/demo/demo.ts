import type { JobOptions } from '../job-options.ts'
import type { Inspection, Made, Row, Searched, Status, Suites } from './answers.ts'
import {
  agreedChampion,
  baseFolder,
  compareWith,
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

/** What `deltaswarm demo --json` prints. */
export interface DemoDocument {
  readonly schema: 'deltaswarm.demo/1'
  readonly nodes: readonly DemoNode[]
  readonly variants: readonly DemoVariant[]
  /** Variant id. */
  readonly champion: string
  readonly rounds: readonly DemoRound[]
  /** How the champion stands against every published delta, on the suite that did not steer. */
  readonly verdict: {
    readonly beats: readonly string[]
    readonly of: number
    readonly text: string
  }
  /** Seconds. */
  readonly timings: Readonly<Record<string, number>>
}

export interface DemoNode {
  readonly peer: string
  readonly pid: number
  readonly home: string
  readonly records: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly viewRoot: string
}

/** `difference`, `ci` and `class` are of the final suite, against `reference`. */
export interface DemoVariant {
  readonly id: string
  readonly name: string
  readonly recipe: string
  readonly reference: string | null
  readonly ownBytes: number
  readonly closureBytes: number
  /** Bits that a peer with only the base fetches, per weight of the model. */
  readonly bpw: number
  readonly suite: string
  readonly n: number
  readonly loss: number
  readonly difference: number | null
  readonly ci: readonly [number, number] | null
  readonly class: string | null
  readonly measurers: readonly { readonly peer: string; readonly n: number }[]
}

/** `difference` is the champion's on the suite that steers, against what it is judged by. */
export interface DemoRound {
  readonly round: number
  readonly proposals: readonly string[]
  readonly champion: string
  readonly difference: number | null
}

export interface DemoInit extends Pick<JobOptions, 'signal'> {
  readonly keep: boolean
  readonly now: () => number
  /** A sentence about what was just done, with the seconds it took. */
  readonly onStep: (text: string, seconds: number) => void
}

const ROUNDS = 3
const PROPOSALS = 2

/**
 * Three nodes on loopback live through the whole path: two publish trained experts, the third fetches
 * them by CID, edits and merges; all measure and sign; then they search together for a better merge.
 */
export async function runDemo(init: DemoInit): Promise<DemoDocument> {
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
    const request = { ref: kana.id, edits: [edit], name, mode: 'paper' }
    made.push((await carol.ask<Made>('edit', request)).id)
  }
  await everybodyKnows(members, made, { signal })
  step('edit', `carol made ${merges.length} merges and ${edits.length} edits, as recipes`)

  const { base } = await carol.ask<Inspection>('inspect', { ref: kana.id, tensors: false })
  const subjects = [base, ...published.map(({ id }) => id), ...made]
  await measureTogether(members, subjects, steer)
  let champion = await agreedChampion(members, steer, subjects.length, { signal })
  step(
    'measure',
    `${subjects.length} variants measured on the suite that steers, ${COPIES} measurers per shard`,
  )

  const rounds: DemoRound[] = []
  let variants = subjects.length
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
    await measureTogether(members, proposals, steer)
    variants += proposals.length
    champion = await agreedChampion(members, steer, variants, { signal })
    const difference = champion.difference ?? null
    rounds.push({ round, proposals, champion: champion.id, difference })
    step(
      `round ${round}`,
      `round ${round}: ${proposals.length} proposals, champion ${champion.recipe}`,
    )
  }

  const finalists = [...new Set([...subjects, champion.id])]
  await measureTogether(members, finalists, final)
  await agreedChampion(members, final, finalists.length, { signal })
  step('final', `${finalists.length} variants measured once on the suite that did not steer`)

  const document: DemoDocument = {
    schema: 'deltaswarm.demo/1',
    nodes: await nodesOf(members),
    variants: await variantsOf(carol, final),
    champion: champion.id,
    rounds,
    verdict: await verdictOf(carol, final, champion.id, published),
    timings: { ...timings, total: (now() - started) / 1000 },
  }
  return document
}

async function nodesOf(members: readonly Member[]): Promise<DemoNode[]> {
  return Promise.all(
    members.map(async (member) => {
      const { peer, pid, home } = member
      const { records, bytesIn, bytesOut, viewRoot } = await member.ask<Status>('status')
      return { peer, pid, home, records, bytesIn, bytesOut, viewRoot }
    }),
  )
}

async function variantsOf(member: Member, suite: string): Promise<DemoVariant[]> {
  const { standings } = await wholeBoard(member, suite)
  const { elements } = await member.ask<{ elements: number }>('inspect', {
    ref: 'kana',
    tensors: false,
  })
  const rows: DemoVariant[] = []
  for (const row of standings) rows.push(await variantOf(member, suite, row, elements))
  return rows
}

async function variantOf(
  member: Member,
  suite: string,
  row: Row,
  elements: number,
): Promise<DemoVariant> {
  const { ownBytes, closureBytes } = await member.ask<Inspection>('inspect', {
    ref: row.id,
    tensors: false,
  })
  const { id, name, recipe, n, loss, measurers } = row
  return {
    id,
    name,
    recipe,
    reference: row.reference ?? null,
    ownBytes,
    closureBytes,
    bpw: (8 * closureBytes) / elements,
    suite,
    n,
    loss,
    difference: row.difference ?? null,
    ci: row.ci ?? null,
    class: row.class ?? null,
    measurers,
  }
}

/** Whether the champion really beats what was published: its interval must exclude 0, for each. */
async function verdictOf(
  member: Member,
  suite: string,
  champion: string,
  published: readonly (Made & { expert: string })[],
): Promise<DemoDocument['verdict']> {
  const beats: string[] = []
  for (const { id, expert } of published) {
    const row = await compareWith(member, suite, champion, id)
    if (row?.ci !== undefined && row.ci[1] < 0) beats.push(expert)
  }
  const missed = published
    .filter(({ expert }) => !beats.includes(expert))
    .map(({ expert }) => expert)
  const text =
    missed.length === 0
      ? 'On the half that did not steer the search, the champion beats every published delta (95 % intervals exclude 0).'
      : `On the half that did not steer the search, the champion is not distinguishable from, or worse than: ${missed.join(', ')}.`
  return { beats, of: published.length, text }
}
