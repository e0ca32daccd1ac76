import { borderAt, type Partition } from '../partition/partition.ts'

/**
 * How B scales α choose the signs of an element. Bit b of a code is 1 where sign b is +. Codes of
 * elements ≥ 0 follow from a partition of magnitudes; an element below 0 has all signs turned.
 */
export interface Codebook {
  readonly partition: Partition
  /** The code of each block of the partition. */
  readonly codes: readonly number[]
}

/** Each sign is that of what the signs before it leave: x − Σ ±α, in f64; 0 counts as positive. */
export function greedyCodebook(scales: ArrayLike<number>): Codebook {
  const borders: number[] = []
  const codes: number[] = []
  /** All elements of `low` up to `high` share the signs so far, whose sum is `level`. */
  const visit = (plane: number, level: number, code: number, low: number, high: number): void => {
    if (plane === scales.length) {
      if (codes.length > 0) borders.push(borderAt(low))
      codes.push(code)
      return
    }
    const split = Math.min(Math.max(level, low), high)
    const scale = scales[plane]!
    visit(plane + 1, level - scale, code, low, split)
    visit(plane + 1, level + scale, code | (1 << plane), split, high)
  }
  visit(1, scales[0]!, 1, 0, Infinity)
  return { partition: { borders, ties: borders.map(() => 0) }, codes }
}

/** The signs whose level is nearest to the element, of two as near the higher. */
export function nearestCodebook(scales: ArrayLike<number>): Codebook {
  const levels = levelsOf(scales)
  const ordered = [...levels.keys()].sort((a, b) => levels[a]! - levels[b]! || a - b)
  // Levels are symmetric, so the upper half is nearest to what is not negative.
  const codes = ordered.slice(levels.length / 2)
  const borders = codes
    .slice(1)
    .map((code, i) => borderAt((levels[codes[i]!]! + levels[code]!) / 2))
  return { partition: { borders, ties: borders.map(() => 0) }, codes }
}

/** What each of the 2ᴮ codes decodes to: from 0 on, v = f32(v ± α_b) for b = 0 … B−1. */
export function levelsOf(scales: ArrayLike<number>): Float32Array {
  return Float32Array.from({ length: 2 ** scales.length }, (_, code) => {
    let level = 0
    for (let plane = 0; plane < scales.length; plane++) {
      level = Math.fround(level + signOf(code, plane) * scales[plane]!)
    }
    return level
  })
}

export function signOf(code: number, plane: number): 1 | -1 {
  return ((code >> plane) & 1) === 1 ? 1 : -1
}
