import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { NetworkError } from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import { demoData } from '../program.ts'
import type { Board, Evaluated, Listing, Row, Status } from './answers.ts'
import type { Member } from './swarm.ts'

/** What the demo publishes, edits and merges, and how its nodes work together. */

export const baseFolder = `${demoData}base`

/** Who publishes which expert, with which codec. */
export const experts = [
  { member: 0, expert: 'digits', codec: { id: 'raw', parameters: {} } },
  { member: 0, expert: 'fashion', codec: { id: 'sparse', parameters: { values: 'BF16' } } },
  { member: 1, expert: 'latin', codec: { id: 'bitdelta', parameters: {} } },
  { member: 1, expert: 'kana', codec: { id: 'raw', parameters: {} } },
] as const

/** Merges of all four experts. */
export const merges = [
  { name: 'average', method: { id: 'average', parameters: {} } },
  { name: 'task-arithmetic', method: { id: 'task-arithmetic', parameters: { lambda: 0.5 } } },
  { name: 'ties', method: { id: 'ties', parameters: { density: 0.2, lambda: 1.5 } } },
] as const

/** Edits of the kana expert; the mask seed is 0 for all, so that p is the only difference. */
export const edits = [
  { name: 'dare-50', id: 'dare', parameters: { p: 0.5, seed: 0 } },
  { name: 'dare-90', id: 'dare', parameters: { p: 0.9, seed: 0 } },
  { name: 'dare-99', id: 'dare', parameters: { p: 0.99, seed: 0 } },
  { name: 'drop-90', id: 'drop', parameters: { p: 0.9, seed: 0 } },
  { name: 'bitdelta', id: 'through', parameters: { codec: 'bitdelta' } },
  { name: 'expo-plus-25', id: 'scale', parameters: { alpha: 0.25 } },
  { name: 'expo-minus-25', id: 'scale', parameters: { alpha: -0.25 } },
] as const

/** Measurers of every shard. */
export const COPIES = 2

/** How long nodes may take to see each other and to hold the same records. */
const AGREE_MS = 45_000
const POLL_MS = 100

export function evaluationFiles(): string[] {
  return readdirSync(`${demoData}eval`)
    .filter((name) => name.endsWith('.safetensors'))
    .toSorted()
    .map((name) => `${demoData}eval/${name}`)
}

export function expertFolder(expert: string): string {
  return `${demoData}${expert}-light`
}

/**
 * Resolves when `look` gives something; rejects with `NetworkError` `E_DEMO_AGREE` after a while.
 */
export async function eventually<T>(
  what: string,
  { signal }: Pick<JobOptions, 'signal'>,
  look: () => Promise<T | undefined>,
): Promise<T> {
  for (let waited = 0; waited < AGREE_MS; waited += POLL_MS) {
    signal.throwIfAborted()
    const found = await look()
    if (found !== undefined) return found
    await sleep(POLL_MS)
  }
  throw new NetworkError('E_DEMO_AGREE', `the nodes did not get this far: ${what}`, {
    expected: what,
    actual: `not within ${AGREE_MS / 1000} s`,
    fix: 'run the demo again',
  })
}

/** Resolves when every member lists all of `ids`. */
export async function everybodyKnows(
  members: readonly Member[],
  ids: readonly string[],
  options: Pick<JobOptions, 'signal'>,
): Promise<void> {
  await eventually('everybody lists what was announced', options, async () => {
    const lists = await Promise.all(members.map((member) => member.ask<Listing>('ls')))
    const complete = lists.every(({ items }) => {
      const listed = new Set(items.map(({ id }) => id))
      return ids.every((id) => listed.has(id))
    })
    return complete ? true : undefined
  })
}

/**
 * Every shard goes to two of the members; each measures its part at the same time as the others.
 * Resolves to the ids of the variants, each once: a delta and its recipe are one variant.
 */
export async function measureTogether(
  members: readonly Member[],
  refs: readonly string[],
  suite: string,
): Promise<readonly string[]> {
  const peers = members.map(({ peer }) => peer)
  const [first] = await Promise.all(
    members.map((member) =>
      member.ask<Evaluated>('evaluate', {
        refs,
        data: suite,
        share: peers.filter((peer) => peer !== member.peer),
        copies: COPIES,
        only: true,
      }),
    ),
  )
  return [...new Set(first!.variants.map(({ id }) => id))]
}

/**
 * The champion of a suite once every member holds the same records of it, `variants` are measured
 * completely, and all name the same one.
 */
export async function agreedChampion(
  members: readonly Member[],
  suite: string,
  variants: number,
  options: Pick<JobOptions, 'signal'>,
): Promise<Row> {
  await eventually('equal views of the suite', options, async () => {
    const views = await Promise.all(
      members.map(async (member) => {
        const { views } = await member.ask<Status>('status')
        return views.find((view) => view.suite === suite)
      }),
    )
    return new Set(views.map((view) => view?.viewRoot)).size === 1 ? true : undefined
  })
  return eventually('one champion', options, async () => {
    const boards = await Promise.all(
      members.map((member) =>
        member.ask<Board>('leaderboard', { data: suite, minMeasurers: COPIES, top: 1 }),
      ),
    )
    const champions = boards.map(({ standings }) => standings[0])
    const complete = boards.every(({ places }) => places >= variants)
    const agreed = new Set(champions.map((row) => row?.id)).size === 1
    return complete && agreed ? champions[0] : undefined
  })
}

/** Every place of a suite, as one member sees it. */
export async function wholeBoard(member: Member, suite: string): Promise<Board> {
  return member.ask<Board>('leaderboard', { data: suite, minMeasurers: COPIES, top: 1000 })
}

/** How the first of a board stands against one other variant, on the items that both have. */
export async function compareWith(
  member: Member,
  suite: string,
  variant: string,
  against: string,
): Promise<Row | undefined> {
  const { standings } = await member.ask<Board>('leaderboard', {
    data: suite,
    minMeasurers: COPIES,
    against,
    top: 1000,
  })
  return standings.find(({ id }) => id === variant)
}
