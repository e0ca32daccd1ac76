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
export {
  assignBlocks,
  sumBlocks,
  lookUpBlocks,
  signCodes,
  packPlanes,
  unpackPlanes,
  largestMagnitude,
  histogramSlots,
} from './blocks'
export { copy, widenBf16, widenF16, narrowBf16, narrowF16 } from './convert'
export { difference, applied } from './deltas'
export { electAndMerge } from './elect'
export { scratch } from './first-page'
export { subtract, add, scale, addScaled } from './linear'
export { maskedScale, maskBits } from './mask'
export { multiplyByNoise } from './noise'
export { orderedDifference16, orderedDifference32, orderedSum16, orderedSum32 } from './ordered'
export { sumMagnitudes, dot, firstNonFinite } from './reduce'
export { keepLargest, histogramHigh, histogramLow, countMagnitude } from './select'
export { sumRuns, sumColumns, fillRuns, fillColumns, applySigns } from './signs'
