import type { CID } from '../canonical.ts'
import { isPossible, lossOf, type ScoreRecord } from './score.ts'
import type { SuiteFrame } from './suite-frame.ts'

/** All that is known of one variant on one suite. */
export interface PooledScore {
  readonly variant: CID
  /**
   * Mean loss per item in the suite's order; NaN where its shard is not complete, ∞ where it is not
   * finite.
   */
  readonly losses: Float64Array
  /** Target-weighted mean over the complete shards; NaN when there is none. */
  readonly loss: number
  /** Shards that enough measurers have measured. */
  readonly shards: number
  /** Shards that each author has measured, whether complete or not, by author. */
  readonly measurers: ReadonlyMap<string, number>
}

/**
 * Pools the counting records of one variant on one suite: per item the median over measurers, which
 * with two is their mean. A record of another length than its shard's, or with a value that no item
 * can have, is no measurement of this suite and is left out.
 */
export function poolScores(
  variant: CID,
  records: readonly ScoreRecord[],
  suite: SuiteFrame,
  minMeasurers: number,
): PooledScore {
  const fitting = records
    .filter((record) => fits(record, suite))
    .toSorted((a, b) => (a.author < b.author ? -1 : 1))
  const byShard = Map.groupBy(fitting, ({ shard }) => shard)
  const measurers = new Map<string, number>()
  for (const { author } of fitting) measurers.set(author, (measurers.get(author) ?? 0) + 1)

  const losses: number[] = []
  let [sum, count, shards] = [0, 0, 0]
  for (const [shard, targets] of suite.targets.entries()) {
    const measured = byShard.get(shard) ?? []
    const complete = measured.length >= minMeasurers
    if (complete) shards++
    for (const [item, weight] of targets.entries()) {
      const values = measured.map((record) => lossOf(record.values[item]!, suite.metric))
      const loss = complete ? median(values) : Number.NaN
      losses.push(loss)
      if (!complete) continue
      sum += loss * weight
      count += weight
    }
  }
  return { variant, losses: Float64Array.from(losses), loss: sum / count, shards, measurers }
}

function fits({ shard, values }: ScoreRecord, { targets, metric }: SuiteFrame): boolean {
  return (
    values.length === targets[shard]?.length && values.every((value) => isPossible(value, metric))
  )
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const [low, high] = [sorted[(sorted.length - 1) >> 1]!, sorted[sorted.length >> 1]!]
  return low === high ? low : (low + high) / 2
}
