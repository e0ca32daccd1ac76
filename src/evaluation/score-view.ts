import { createHash } from 'node:crypto'
import { compareNames } from '../tensors/tensor.ts'
import type { ScoreRecord } from './score.ts'

/** What a grow-only set of score records amounts to. */
export interface ScoreView {
  /** The records that count, at most one per (suite, variant, shard, author), sorted by that. */
  readonly records: readonly ScoreRecord[]
  /** Groups of records with which an author has contradicted themselves, sorted the same way. */
  readonly equivocations: readonly Equivocation[]
}

/** Two or more records of one author for one shard of one variant under one sequence number. */
export interface Equivocation {
  readonly author: string
  /** Sorted by id. */
  readonly records: readonly ScoreRecord[]
  /**
   * No newer record of the author has replaced them, so the author weighs nothing for this shard.
   */
  readonly current: boolean
}

/**
 * Last writer wins per (suite, variant, shard, author), by the greatest sequence number. Two
 * records under one number are an equivocation: none of them counts, nor does anything older, so
 * that nobody can take a record back by contradicting it. A function of the *set*: order,
 * duplicates and the way in which it was put together never change the view, and no clock enters
 * it.
 */
export function viewOf(records: Iterable<ScoreRecord>): ScoreView {
  const distinct = new Map<string, ScoreRecord>()
  for (const record of records) distinct.set(record.id, record)
  const keyed = Map.groupBy(distinct.values(), keyOf)
  const counting: ScoreRecord[] = []
  const equivocations: Equivocation[] = []
  for (const [, written] of [...keyed].toSorted(([a], [b]) => compareNames(a, b))) {
    const bySeq = [...Map.groupBy(written, ({ seq }) => seq)].toSorted(([a], [b]) => b - a)
    for (const [position, [, same]] of bySeq.entries()) {
      const current = position === 0
      if (same.length === 1) {
        if (current) counting.push(same[0]!)
        continue
      }
      const records = same.toSorted((a, b) => compareNames(a.id, b.id))
      equivocations.push({ author: records[0]!.author, records, current })
    }
  }
  return { records: counting, equivocations }
}

/**
 * sha256, in hex, of what counts and what contradicts: two nodes whose roots are equal see the same
 * leaderboard.
 */
export function viewRoot(records: Iterable<ScoreRecord>): string {
  const view = viewOf(records)
  const hash = createHash('sha256')
  for (const { id } of view.records) hash.update(`counts ${id}\n`)
  for (const { records } of view.equivocations) {
    hash.update(`contradicts ${records.map(({ id }) => id).join(' ')}\n`)
  }
  return hash.digest('hex')
}

function keyOf({ suite, variant, shard, author }: ScoreRecord): string {
  return [suite, variant, String(shard).padStart(6, '0'), author].join(' ')
}
