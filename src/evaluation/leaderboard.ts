import type { CID } from '../canonical.ts'
import { compareNames } from '../tensors/tensor.ts'
import { classify, equivalenceMargin, type VariantClass } from './classify.ts'
import { type PairedDifference, pairedDifference } from './paired-difference.ts'
import { type PooledScore, poolScores } from './pooled-score.ts'
import type { ScoreRecord } from './score.ts'
import { type Equivocation, viewOf } from './score-view.ts'
import type { SuiteFrame } from './suite-frame.ts'

/** Fewer independent measurers than this is one party's word, not a measurement. */
export const MIN_MEASURERS = 2

export interface RankInput {
  readonly records: Iterable<ScoreRecord>
  readonly suite: SuiteFrame
  /** Distinct authors that make a shard complete; `MIN_MEASURERS` unless given. */
  readonly minMeasurers?: number
  /** Complete shards that a variant needs for a place; all of the suite's unless given. */
  readonly minShards?: number
}

export interface Board {
  readonly suite: SuiteFrame
  /** Best first. */
  readonly standings: readonly Standing[]
  /** Variants with too few complete shards for a place, sorted by id. */
  readonly pending: readonly PooledScore[]
  readonly equivocations: readonly Equivocation[]
}

export interface Standing extends PooledScore {
  /** From 1. */
  readonly rank: number
}

/**
 * Ranks the variants of one suite by mean loss over complete shards, equal losses by id. A pure
 * fold over a set of records: their order, repetition and partition change nothing.
 */
export function rank({ records, suite, ...init }: RankInput): Board {
  const { minMeasurers = MIN_MEASURERS, minShards = suite.targets.length } = init
  const id = suite.id.toString()
  const view = viewOf(records)
  const own = view.records.filter((record) => record.suite.toString() === id)
  const pooled = [...Map.groupBy(own, ({ variant }) => variant.toString()).values()].map((group) =>
    poolScores(group[0]!.variant, group, suite, minMeasurers),
  )
  const places = pooled.filter(({ shards }) => shards > 0 && shards >= minShards)
  const standings = places
    .toSorted((a, b) => compareLosses(a.loss, b.loss) || compareVariants(a, b))
    .map((score, i) => ({ ...score, rank: i + 1 }))
  return {
    suite,
    standings,
    pending: pooled.filter((score) => !places.includes(score)).toSorted(compareVariants),
    equivocations: view.equivocations.filter(({ records }) => records[0]!.suite.toString() === id),
  }
}

/**
 * The standings cut into groups whose members the items cannot tell apart: a variant opens a new
 * group when its 95 % interval against the first of the current one excludes 0. It costs one
 * bootstrap per standing, about 10 ms for 1,200 items: give it the part of a long board that is
 * looked at.
 */
export function tieGroups({ standings, suite }: Pick<Board, 'standings' | 'suite'>): Standing[][] {
  const targets = weightsOf(suite)
  const groups: Standing[][] = []
  for (const standing of standings) {
    const group = groups.at(-1)
    const leader = group?.[0]
    const difference = leader && pairedDifference(standing.losses, leader.losses, targets)
    if (difference === undefined || difference.interval95.lower > 0) groups.push([standing])
    else group!.push(standing)
  }
  return groups
}

/** How a variant stands against another on the items that both have. */
export interface Comparison extends PairedDifference {
  readonly variant: CID
  readonly reference: CID
  /** δ of the equivalence test. */
  readonly margin: number
  readonly class: VariantClass
}

/**
 * Compares two variants of a board, `base` being the unedited base; `undefined` without shared
 * items.
 */
export function compareOnBoard(
  board: Board,
  { variant, reference, base }: { variant: CID; reference: CID; base?: CID },
): Comparison | undefined {
  const [ours, theirs] = [scoreOf(board, variant), scoreOf(board, reference)]
  if (ours === undefined || theirs === undefined) return undefined
  const targets = weightsOf(board.suite)
  const difference = pairedDifference(ours.losses, theirs.losses, targets)
  if (difference === undefined) return undefined
  const start = base === undefined ? undefined : scoreOf(board, base)
  const margin = marginOf([ours, theirs, start ?? theirs], targets)
  return { ...difference, variant, reference, margin, class: classify(difference, margin) }
}

/** δ from means over the items that all three have, or the gain would mix two sets of items. */
function marginOf(
  [ours, reference, base]: readonly [PooledScore, PooledScore, PooledScore],
  targets: Float64Array,
): number {
  let [baseSum, referenceSum, count] = [0, 0, 0]
  for (const [i, weight] of targets.entries()) {
    const [a, b, c] = [ours.losses[i]!, reference.losses[i]!, base.losses[i]!]
    if (Number.isNaN(a + b + c)) continue
    baseSum += weight * c
    referenceSum += weight * b
    count += weight
  }
  return equivalenceMargin(baseSum / count, referenceSum / count)
}

/**
 * The best of some variants; `undefined` while one of them has no place, because a merge that is
 * judged against its second-best operand is flattered.
 */
export function bestOf(board: Board, variants: readonly CID[]): CID | undefined {
  const ids = new Set(variants.map(String))
  const places = board.standings.filter(({ variant }) => ids.has(variant.toString()))
  return places.length === ids.size ? places[0]?.variant : undefined
}

/** A variant's pooled score, whether it has a place yet or not. */
export function scoreOf({ standings, pending }: Board, variant: CID): PooledScore | undefined {
  const id = variant.toString()
  return [...standings, ...pending].find((score) => score.variant.toString() === id)
}

function weightsOf(suite: SuiteFrame): Float64Array {
  return Float64Array.from(suite.targets.flat())
}

/** ∞ equals ∞, which a subtraction would not say. */
function compareLosses(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function compareVariants(a: PooledScore, b: PooledScore): number {
  return compareNames(a.variant.toString(), b.variant.toString())
}
