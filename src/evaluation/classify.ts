import type { PairedDifference } from './paired-difference.ts'

/**
 * What an edit did, in the three classes of arXiv 2410.13841 (its loss change is about zero, above
 * zero or below), and the honest fourth answer.
 */
export type VariantClass = 'competitive' | 'decreased' | 'improved' | 'undecided'

/** A loss difference below .005 nats per target is one that nobody pays for. */
const SMALLEST_MARGIN = 0.005
/** Of what fine-tuning gained: losing less than a twentieth keeps the fine-tune's worth. */
const GAIN_SHARE = 0.05

/**
 * The equivalence margin δ = max(.005, 5 % of base − reference), from mean losses on the same
 * items; .005 where the reference gained nothing over the base.
 */
export function equivalenceMargin(base: number, reference: number): number {
  const gain = base - reference
  return Number.isFinite(gain) ? Math.max(SMALLEST_MARGIN, GAIN_SHARE * gain) : SMALLEST_MARGIN
}

/**
 * One class per comparison: *improved* if the 95 % interval lies below 0 and D < −δ/2; else
 * *competitive* if the 90 % interval lies inside (−δ, δ), which is two one-sided tests at 5 %
 * (Schuirmann 1987); else *decreased* if the 95 % interval lies above 0 and D > δ; else
 * *undecided*: more items are needed.
 */
export function classify(
  { difference, interval95, interval90 }: PairedDifference,
  margin: number,
): VariantClass {
  if (interval95.upper < 0 && difference < -margin / 2) return 'improved'
  if (interval90.lower > -margin && interval90.upper < margin) return 'competitive'
  if (interval95.lower > 0 && difference > margin) return 'decreased'
  return 'undecided'
}
