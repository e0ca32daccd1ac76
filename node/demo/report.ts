import type { Inspection, Row, Status } from './answers.ts'
import { compareWith } from './story.ts'
import type { Member } from './swarm.ts'

/** What `deltaswarm demo --json` prints, key by key. */
export interface DemoDocument {
  readonly schema: 'deltaswarm.demo/1'
  readonly nodes: readonly DemoNode[]
  readonly variants: readonly DemoVariant[]
  /** Variant id. */
  readonly champion: string
  readonly rounds: readonly DemoRound[]
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
  readonly recipe: string
  readonly reference: string | null
  readonly ownBytes: number
  readonly closureBytes: number
  /** Bits that a peer with only the base fetches, per weight of the model. */
  readonly bpw: number
  readonly suite: string
  readonly n: number
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

export async function nodesOf(members: readonly Member[]): Promise<DemoNode[]> {
  return Promise.all(
    members.map(async (member) => {
      const { peer, pid, home } = member
      const { records, bytesIn, bytesOut, viewRoot } = await member.ask<Status>('status')
      return { peer, pid, home, records, bytesIn, bytesOut, viewRoot }
    }),
  )
}

export async function variantsOf(
  member: Member,
  suite: string,
  standings: readonly Row[],
): Promise<DemoVariant[]> {
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
  const { id, recipe, n, measurers } = row
  return {
    id,
    recipe,
    reference: row.reference ?? null,
    ownBytes,
    closureBytes,
    bpw: (8 * closureBytes) / elements,
    suite,
    n,
    difference: row.difference ?? null,
    ci: row.ci ?? null,
    class: row.class ?? null,
    measurers,
  }
}

/**
 * Whether the champion really beats what was published: each difference has its own 95 % interval,
 * and all of them must lie below 0.
 */
export async function verdictOf(
  member: Member,
  suite: string,
  champion: string,
  published: readonly { readonly id: string; readonly expert: string }[],
): Promise<string> {
  const missed: string[] = []
  for (const { id, expert } of published) {
    const row = await compareWith(member, suite, champion, id)
    if (row?.ci === undefined || row.ci[1] >= 0) missed.push(expert)
  }
  const where = 'On the half that did not steer the search, the champion'
  return missed.length === 0
    ? `${where} beats each of the ${published.length} published deltas (its 95 % interval against each lies below 0; not corrected for the number of comparisons).`
    : `${where} does not beat every published delta: it is worse than, or not distinguishable from, ${missed.join(', ')}.`
}
