import type { Kernels, Region } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { dtypeBytes, type WeightDType } from '../../tensors/dtype.ts'

export const schemes = ['symmetric', 'asymmetric', 'gptq'] as const

export type Scheme = (typeof schemes)[number]

/** The whole numbers that stand for a group's values: a code c decodes to scale · (c − zero). */
export interface Grid {
  /** Codes lie between these. */
  readonly first: number
  readonly last: number
  /** What every group counts from; `undefined` when each has its own. */
  readonly zero: number | undefined
  /** Scales from the group's least and greatest value to one end of the codes. */
  readonly steps: number
  /** Of a group, whose `low` ≤ 0 ≤ `high`: what is divided into the steps. */
  extent(low: number, high: number): number
}

export function gridOf(scheme: Scheme, bits: number): Grid {
  const middle = 2 ** (bits - 1)
  const last = 2 ** bits - 1
  const largest = (low: number, high: number): number => Math.max(-low, high)
  switch (scheme) {
    case 'symmetric':
      return { first: 1, last, zero: middle, steps: middle - 1, extent: largest }
    case 'gptq':
      return { first: 0, last, zero: middle, steps: last / 2, extent: largest }
    case 'asymmetric':
      return { first: 0, last, zero: undefined, steps: last, extent: (low, high) => high - low }
  }
}

/**
 * Turns the extremes of each group, f32 in `lows` and `highs`, into its scale and its zero point, in
 * the same places. The scale is extent ÷ steps in f64, rounded to f32 and then to `dtype`, to nearest
 * even, or the next one up where that would put an extreme more than half a step outside the grid, as
 * it may where `dtype` has few bits left. An infinite one is left to the writer of scales.
 */
export function fitGrid(
  kernels: Kernels,
  grid: Grid,
  dtype: WeightDType,
  lows: Region,
  highs: Region,
  groups: number,
): void {
  const packed = kernels.allocate(4 * Math.min(groups, BLOCK_ELEMENTS))
  const extents = new Float64Array(Math.min(groups, BLOCK_ELEMENTS))
  const patterns = dtypeBytes[dtype] === 4 ? packed.u32 : packed.u16
  try {
    for (let at = 0; at < groups; at += BLOCK_ELEMENTS) {
      const count = Math.min(BLOCK_ELEMENTS, groups - at)
      const scales = sliceRegion(lows, 4 * at, 4 * count)
      const zeros = sliceRegion(highs, 4 * at, 4 * count)
      const least = scales.f32.slice(0, count)
      for (let i = 0; i < count; i++) {
        extents[i] = grid.extent(least[i]!, zeros.f32[i]!)
        scales.f32[i] = extents[i]! / grid.steps
      }
      kernels.narrow(dtype, scales, packed, count)
      kernels.widen(dtype, packed, scales, count)
      for (let i = 0; i < count; i++) {
        if (scales.f32[i]! * (grid.steps + 0.5) < extents[i]!) patterns[i]!++
      }
      kernels.widen(dtype, packed, scales, count)
      for (let i = 0; i < count; i++) {
        const scale = scales.f32[i]!
        const own = scale === 0 ? 0 : roundHalfEven(Math.abs(least[i]!) / scale)
        zeros.f32[i] = grid.zero ?? Math.min(grid.last, own)
      }
    }
  } finally {
    kernels.release(packed)
  }
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor
}
