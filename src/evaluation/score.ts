import type { CID } from '../canonical.ts'

/**
 * The value of a score: what one evaluator found for the items of one shard. It is signed and
 * carried by `protocol/formats/score.ts`.
 */
export interface ScoreValue {
  /** CID of the recipe. */
  readonly variant: CID
  readonly suite: CID
  readonly shard: number
  /** Per item of the shard, in the shard's order: see `quantiseLoss`; 0 or 1 for accuracy. */
  readonly values: readonly number[]
}

/**
 * A score value as the leaderboard folds it. Whoever makes one has checked the signature; the wall
 * clock is no part of it.
 */
export interface ScoreRecord extends ScoreValue {
  /** Hash of the signed record: its identity. */
  readonly id: string
  /** Who measured and signed. */
  readonly author: string
  /** Rises with every record of an author; of two for one shard the greater counts. */
  readonly seq: number
  /** Version and device class of what measured. */
  readonly engine: string
}

/** Value of an item whose loss is not finite. */
export const NOT_FINITE = -(2 ** 31)

/** Units per nat. */
const SCORE_SCALE = 1e6

/**
 * A mean loss in nats as a whole number of 10⁻⁶ nat, clamped to int32; `NOT_FINITE` for NaN and ∞.
 */
export function quantiseLoss(loss: number): number {
  if (!Number.isFinite(loss)) return NOT_FINITE
  const units = Math.round(loss * SCORE_SCALE) + 0 // -0 and 0 are one value
  return Math.max(NOT_FINITE + 1, Math.min(2 ** 31 - 1, units))
}

/**
 * A value as a loss, where less is better: nats for `loss`, 0 or 1 wrong for `accuracy`, ∞ for
 * `NOT_FINITE`.
 */
export function lossOf(value: number, metric: 'loss' | 'accuracy'): number {
  if (value === NOT_FINITE) return Infinity
  return metric === 'loss' ? value / SCORE_SCALE : 1 - value
}

/** Whether an item can have this value: a negative log-likelihood is never below 0. */
export function isPossible(value: number, metric: 'loss' | 'accuracy'): boolean {
  return value === NOT_FINITE || (value >= 0 && (metric === 'loss' || value <= 1))
}
