/**
 * The kernels of `../kernels.ts` in AssemblyScript: raw pointers, no garbage collector, fixed-width
 * SIMD. What the compiler may not do keeps the bytes the same everywhere: no relaxed SIMD, no fused
 * multiply-add, no reordering of sums. Loops work on whole vectors and finish one element at a time
 * with the same arithmetic, so a split never shows. Nothing is written past `count`.
 *
 * Every thread is an instance over the same memory: what a call puts aside goes where
 * `first-page.ts` has room for its thread, and there is no static data, which a new instance would
 * write again.
 */

export {
  packSigns,
  packNonzero,
  unpackSigns,
  applySigns,
  clearByBits,
  compact,
  expand,
  countBits,
  packPlanes,
  unpackPlanes,
} from './bits'
export { assignBlocks, sumBlocks, lookUpBlocks, signCodes } from './blocks'
export { compactBits, expandBits } from './compact-bits'
export { copy, widenBf16, widenF16, narrowBf16, narrowF16 } from './convert'
export { difference, applied } from './deltas'
export { electAndMerge } from './elect'
export { countSymbols, encodeSymbols, decodeSymbols } from './entropy'
export { scratch } from './first-page'
export { gapBits, encodeGaps, decodeGaps } from './gaps'
export { gram } from './gram'
export { groupExtremes, quantise, dequantise, packCodes, unpackCodes } from './integers'
export { subtract, add, scale, addScaled } from './linear'
export { maskedScale, maskBits, scaleByBits } from './mask'
export { multiply } from './matrix'
export { multiplyByNoise } from './noise'
export { splitDifference, exponents, joinDifference } from './ordered'
export { splitPlanes16, splitPlanes32, joinPlanes16, joinPlanes32 } from './planes'
export { rankRows, keepRanks, keepByChance } from './rank'
export {
  blockMagnitudes,
  blockProducts,
  firstNonFinite,
  firstNonFinite16,
  sum,
  squaredDeviations,
  squaredDistance,
} from './reduce'
export { sumRuns, sumColumns, fillRuns, fillColumns } from './runs'
export {
  keepLargest,
  histogramHigh,
  histogramLow,
  histogramSlots,
  moveCounts,
  countMagnitude,
  largestMagnitude,
} from './select'
export { multiplySymmetric, subtractPair, reflectRows, rotateRows } from './symmetric'
