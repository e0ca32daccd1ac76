/**
 * What assembly/kernels.ts exports. Numbers are pointers, counts of elements or bytes, booleans as
 * 0 and 1, or the kernels' own arguments; 32-bit results come back signed.
 */
export interface KernelExports {
  /** The pointer of 32 KiB that hold tables during a call. */
  readonly scratch: { readonly value: number }

  copy(source: number, out: number, bytes: number): void
  widenBf16(source: number, out: number, count: number): void
  widenF16(source: number, out: number, count: number): void
  narrowBf16(source: number, out: number, count: number): void
  narrowF16(source: number, out: number, count: number): void

  /** dtypes are 0 for F32, 1 for BF16 and 2 for F16. */
  difference(dtype: number, post: number, base: number, out: number, count: number): void
  applied(dtype: number, base: number, delta: number, to: number, out: number, count: number): void

  subtract(a: number, b: number, out: number, count: number): void
  add(a: number, b: number, out: number, count: number): void
  scale(x: number, out: number, count: number, factor: number): void
  addScaled(x: number, y: number, count: number, factor: number): void

  /** The mask starts with block `high` · 2³² + `low`. */
  maskedScale(
    x: number,
    out: number,
    count: number,
    low: number,
    high: number,
    key0: number,
    key1: number,
    threshold: number,
    kept: number,
    dropped: number,
  ): void
  maskBits(
    bits: number,
    count: number,
    low: number,
    high: number,
    key0: number,
    key1: number,
    threshold: number,
  ): void

  keepLargest(x: number, out: number, count: number, threshold: number, ties: number): number
  histogramHigh(x: number, count: number, counts: number): void
  histogramLow(x: number, count: number, high: number, counts: number): void
  countMagnitude(x: number, count: number, magnitude: number): number

  /** Expects the inputs' pointers in `scratch` and their f32 weights right behind. */
  electAndMerge(
    inputs: number,
    out: number,
    count: number,
    weighted: number,
    zeroPositive: number,
    normalize: number,
    lambda: number,
  ): void

  packSigns(x: number, bits: number, count: number): void
  unpackSigns(bits: number, out: number, count: number, magnitude: number): void
  packNonzero(x: number, bits: number, count: number): void
  clearByBits(bits: number, out: number, count: number): void
  compact(x: number, bits: number, out: number, count: number): number
  expand(values: number, bits: number, out: number, count: number): number
  countBits(bits: number, count: number): number

  sumMagnitudes(x: number, count: number): number
  dot(a: number, b: number, count: number): number
  firstNonFinite(x: number, count: number): number

  orderedDifference16(post: number, base: number, planes: number, count: number): void
  orderedDifference32(post: number, base: number, planes: number, count: number): void
  orderedSum16(planes: number, base: number, post: number, count: number): void
  orderedSum32(planes: number, base: number, post: number, count: number): void
}
