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

/** Value of an item whose loss is not finite. */
export const NOT_FINITE = -(2 ** 31)

/** Units per nat. */
export const SCORE_SCALE = 1e6

/** A mean loss in nats as a whole number of 10⁻⁶ nat, clamped to int32; `NOT_FINITE` for NaN and ∞. */
export function quantiseLoss(loss: number): number {
  if (!Number.isFinite(loss)) return NOT_FINITE
  return Math.max(NOT_FINITE + 1, Math.min(2 ** 31 - 1, Math.round(loss * SCORE_SCALE)))
}
