import type { WeightDType } from '../../tensors/dtype.ts'

/** Bits below the exponent, and what is subtracted from it. */
export const weightFormats: Readonly<Record<WeightDType, WeightFormat>> = {
  F32: { fractionBits: 23, bias: 127, exponents: 256 },
  BF16: { fractionBits: 7, bias: 127, exponents: 256 },
  F16: { fractionBits: 10, bias: 15, exponents: 32 },
}

export interface WeightFormat {
  readonly fractionBits: number
  readonly bias: number
  /** The last of them stands for ±∞ and NaN. */
  readonly exponents: number
}

/**
 * The value at a place in the order that `Kernels.splitDifference` counts in: 0 is +0, −1 is −0; ±∞
 * beyond the largest values. Half a place stands for the middle between two.
 */
export function valueAt({ fractionBits, bias, exponents }: WeightFormat, place: number): number {
  const magnitude = place < 0 ? Math.max(0, -1 - place) : place
  const unit = 2 ** fractionBits
  const exponent = Math.floor(magnitude / unit)
  if (exponent >= exponents - 1) return place < 0 ? -Infinity : Infinity
  const fraction = magnitude - exponent * unit
  const value =
    exponent === 0
      ? fraction * powerOfTwo(1 - bias - fractionBits)
      : (unit + fraction) * powerOfTwo(exponent - bias - fractionBits)
  return place < 0 ? -value : value
}

/** Exactly 2^n for |n| ≤ 512. */
export function powerOfTwo(n: number): number {
  return powers[n + LARGEST]!
}

const LARGEST = 512

const powers = new Float64Array(2 * LARGEST + 1)
powers[LARGEST] = 1
for (let n = 1; n <= LARGEST; n++) {
  powers[LARGEST + n] = 2 * powers[LARGEST + n - 1]!
  powers[LARGEST - n] = powers[LARGEST - n + 1]! / 2
}
