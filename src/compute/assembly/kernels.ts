/**
 * The kernels of `../kernels.ts` in AssemblyScript: raw pointers, no garbage collector, fixed-width
 * SIMD. What the compiler may not do keeps the bytes the same everywhere: no relaxed SIMD, no fused
 * multiply-add, no reordering of sums. Loops work on whole vectors and finish one element at a time
 * with the same arithmetic, so a split never shows. Nothing is written past `count`.
 */

export {
  packSigns,
  packNonzero,
  unpackSigns,
  clearByBits,
  compact,
  expand,
  countBits,
} from './bits'
export { copy, widenBf16, widenF16, narrowBf16, narrowF16 } from './convert'
export { difference, applied } from './deltas'
export { electAndMerge } from './elect'
export { countSymbols, encodeSymbols, decodeSymbols } from './entropy'
export { scratch } from './first-page'
export { gapBits, encodeGaps, decodeGaps } from './gaps'
export { groupExtremes, quantise, dequantise, packCodes, unpackCodes } from './integers'
export { subtract, add, scale, addScaled } from './linear'
export { maskedScale, maskBits, scaleByBits } from './mask'
export { sum, squaredDeviations, squaredDistance } from './moments'
export { orderedDifference16, orderedDifference32, orderedSum16, orderedSum32 } from './ordered'
export {
  splitPlanes16,
  splitPlanes32,
  joinPlanes16,
  joinPlanes32,
  spreadBits,
  gatherBits,
} from './planes'
export { rankRows, keepRanks, keepByChance } from './rank'
export { sumMagnitudes, dot, firstNonFinite } from './reduce'
export { keepLargest, histogramHigh, histogramLow, countMagnitude } from './select'
