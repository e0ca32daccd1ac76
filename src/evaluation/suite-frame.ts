import type { CID } from '../canonical.ts'
import { MalformedError } from '../errors.ts'
import { shardTargets, type SuiteRoot, type SuiteShard } from './suite.ts'

/** What the leaderboard must know of a suite; the data itself is not needed to rank. */
export interface SuiteFrame {
  readonly id: CID
  readonly metric: SuiteRoot['metric']
  /** By shard, the number of targets of each item: see `shardTargets`. */
  readonly targets: readonly (readonly number[])[]
}

/**
 * The frame of a whole suite, `shards` in the root's order. Throws `MalformedError` `E_BAD_SUITE`
 * when they do not add up to what the root says, which no shard shows alone.
 */
export function suiteFrame(id: CID, root: SuiteRoot, shards: readonly SuiteShard[]): SuiteFrame {
  // An accuracy has one answer per item, however long its text is.
  const weigh = (targets: number[]): number[] =>
    root.metric === 'loss' ? targets : targets.map(() => 1)
  const targets = shards.map(shardTargets)
  const found = {
    shards: shards.length,
    items: targets.flat().length,
    targets: targets.flat().reduce((sum, count) => sum + count, 0),
  }
  const stated = { shards: root.shards.length, items: root.items, targets: root.targets }
  for (const key of ['shards', 'items', 'targets'] as const) {
    if (found[key] === stated[key]) continue
    throw new MalformedError(
      'E_BAD_SUITE',
      `expected ${stated[key]} ${key} in all as the root says, got ${found[key]}`,
      { expected: stated, actual: found },
    )
  }
  return { id, metric: root.metric, targets: targets.map(weigh) }
}
