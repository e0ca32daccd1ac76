import { bootstrap, type Interval } from './bootstrap.ts'

/** How much worse (> 0) or better (< 0) a variant is than its reference on the same items. */
export interface PairedDifference {
  /** D = Σ nᵢ (ℓᵢ − rᵢ) / Σ nᵢ, in nats per target, or in the rate of wrong answers. */
  readonly difference: number
  readonly interval95: Interval
  readonly interval90: Interval
  /** Items that both have. */
  readonly items: number
}

/**
 * Pairs two lists of mean losses per item, in the suite's order. NaN marks an item that was not
 * measured, ∞ a loss that is not finite; `targets` weighs each item by its number of targets.
 * `undefined` when no item was measured for both. Where one side alone is not finite, D is ±∞ with
 * no interval to resample, and [−∞, ∞] when that happens both ways.
 */
export function pairedDifference(
  losses: Float64Array,
  reference: Float64Array,
  targets: Float64Array,
): PairedDifference | undefined {
  const shared = targets.map((_, i) => i).filter((i) => isMeasured(losses[i], reference[i]))
  if (shared.length === 0) return undefined
  const counts = shared.map((i) => targets[i]!)
  const differences = shared.map((i) => targets[i]! * difference(losses[i]!, reference[i]!))
  const items = shared.length
  if (differences.every((value) => Number.isFinite(value))) {
    return { ...bootstrap(differences, counts), items }
  }
  const lower = differences.includes(-Infinity) ? -Infinity : Infinity
  const upper = differences.includes(Infinity) ? Infinity : -Infinity
  const interval = { lower, upper }
  const both = lower === upper ? lower : Number.NaN
  return { difference: both, interval95: interval, interval90: interval, items }
}

function isMeasured(...losses: readonly (number | undefined)[]): boolean {
  return losses.every((loss) => loss !== undefined && !Number.isNaN(loss))
}

/** Two broken values are equally bad. */
function difference(loss: number, reference: number): number {
  return loss === reference ? 0 : loss - reference
}
