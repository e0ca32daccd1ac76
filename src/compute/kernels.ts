import type { Key } from '../random.ts'
import type { WeightDType } from '../tensors/dtype.ts'

/**
 * The arithmetic of published bytes: WASM SIMD kernels over one shared memory. Every kernel is
 * synchronous and bit-exact: the same bytes on every machine and for every split into chunks
 * (no fused multiply-add, no relaxed SIMD, reductions in f64 per block of `BLOCK_ELEMENTS`).
 */

/**
 * A piece of the kernels' memory. Its views are typed arrays over shared memory, so that files are
 * read into it, hashes are taken of it and onnxruntime is fed from it without a copy.
 */
export interface Region {
  readonly pointer: number
  /** Usable bytes. */
  readonly bytes: number
  readonly u8: Uint8Array
  readonly u16: Uint16Array
  readonly u32: Uint32Array
  readonly i32: Int32Array
  readonly f32: Float32Array
}

/** Two tables of 65,536 u32, one after the other. */
export const HISTOGRAM_BYTES = 2 * 65_536 * 4

export interface Kernels {
  /** The memory as it is now, for a worker that makes views of regions. */
  readonly buffer: SharedArrayBuffer
  /** Bytes handed out now, and the most there ever were: what a memory ceiling is checked against. */
  readonly allocated: number
  readonly peak: number

  /**
   * Takes `bytes` (rounded up to 64, offset by a pad so that equal offsets do not alias in the
   * cache). Throws `LimitError` `E_MEMORY` when the memory's maximum is reached.
   */
  allocate(bytes: number): Region
  /** Gives a region back; a region may be used no more after it. */
  release(region: Region): void

  /** out[i] = f32(source[i]); exact for every weight dtype. */
  widen(dtype: WeightDType, source: Region, out: Region, count: number): void
  /** out[i] = source[i] rounded to nearest even in `dtype`; a NaN stays a NaN. */
  narrow(dtype: WeightDType, source: Region, out: Region, count: number): void

  /** out = f32(post) − f32(base), both of one dtype. */
  difference(dtype: WeightDType, post: Region, base: Region, out: Region, count: number): void
  /** out = f32(base) + delta, the sum rounded as `narrow` does to dtype `to`. */
  applied(
    dtype: WeightDType,
    base: Region,
    delta: Region,
    to: WeightDType,
    out: Region,
    count: number,
  ): void

  /** out = a − b */
  subtract(a: Region, b: Region, out: Region, count: number): void
  /** out = a + b */
  add(a: Region, b: Region, out: Region, count: number): void
  /** out = factor · x */
  scale(x: Region, out: Region, count: number, factor: number): void
  /** y = y + factor · x, product and sum rounded separately. */
  addScaled(x: Region, y: Region, count: number, factor: number): void

  /**
   * Generalised DARE over elements `from … from+count` of the tensor whose mask has `key`: an element
   * whose Philox word is below `threshold` (in [0, 2³²]) becomes `dropped · x`, every other
   * `kept · x`. A factor of 0 gives +0 whatever the sign, a factor of 1 keeps the bits. `from` is a
   * multiple of 4.
   */
  maskedScale(x: Region, out: Region, count: number, mask: MaskedScale): void
  /** Bit i of `bits` (little endian within bytes) is 1 where the element is kept. */
  maskBits(bits: Region, count: number, mask: Omit<MaskedScale, 'dropped' | 'kept'>): void

  /**
   * Keeps elements whose magnitude, as f32 bits without the sign, is above `threshold`, and of those
   * equal to it the first `ties`; all others become +0. Returns how many ties were used.
   */
  keepLargest(x: Region, out: Region, count: number, threshold: number, ties: number): number
  /**
   * Adds to `counts` how many elements have each value of the highest 16 of their magnitude's 31 bits.
   * A bin's count is the sum of its two entries, see `HISTOGRAM_BYTES`.
   */
  histogramHigh(x: Region, count: number, counts: Region): void
  /**
   * The same for the lowest 15 bits of the elements whose highest 16 are `high`: 32,768 bins. What
   * stands in the other entries means nothing.
   */
  histogramLow(x: Region, count: number, high: number, counts: Region): void
  /** How many elements have exactly this magnitude. */
  countMagnitude(x: Region, count: number, magnitude: number): number

  /**
   * TIES' last two steps over already trimmed inputs: elect the sign of each element and average the
   * inputs that agree with it, times `lambda`.
   * `weights` multiply the inputs before the election when `weighted`, otherwise only in the mean.
   * Election: the sign of the sum; a sum of 0 elects `zeroSign`.
   * out = lambda · Σ agreeing (w·x) ÷ Σ agreeing w, in f32, in input order; 0 where none agrees.
   * `normalize: false` leaves out the division, and so do weights that cancel to less than 10⁻⁸.
   */
  electAndMerge(inputs: readonly Region[], out: Region, count: number, options: ElectAndMerge): void

  /** bits[i] = 1 iff x[i] > 0, or x[i] is ±0 (so a zero counts as +). */
  packSigns(x: Region, bits: Region, count: number): void
  /** out[i] = bits[i] ? magnitude : −magnitude */
  unpackSigns(bits: Region, out: Region, count: number, magnitude: number): void
  /** bits[i] = 1 iff x[i] ≠ 0 */
  packNonzero(x: Region, bits: Region, count: number): void
  /** Where bits[i] = 0, out[i] = +0. */
  clearByBits(bits: Region, out: Region, count: number): void
  /** Copies x[i] with bits[i] = 1 to the front of `out`, in order; returns how many. */
  compact(x: Region, bits: Region, out: Region, count: number): number
  /** The inverse: spreads the next values over the set bits, +0 elsewhere; returns how many it used. */
  expand(values: Region, bits: Region, out: Region, count: number): number
  /** Number of ones among the first `count` bits. */
  countBits(bits: Region, count: number): number

  /** Σ |x|, Σ x and Σ x² of one block (count ≤ BLOCK_ELEMENTS) in f64, in a fixed order. */
  sumMagnitudes(x: Region, count: number): number
  sumSquares(x: Region, count: number): number
  dot(a: Region, b: Region, count: number): number

  /** Index of the first NaN or infinity, or −1. */
  firstNonFinite(x: Region, count: number): number

  /**
   * The exact difference of two weights of one dtype as whole numbers: both bit patterns are mapped to
   * integers in the order of the values they stand for (−0 directly below +0), subtracted modulo
   * 2^bits, zigzag-coded, and split into byte planes, lowest first: plane p of the result starts
   * at byte `p · count` of `planes`. 2 planes for BF16 and F16, 4 for F32.
   */
  orderedDifference(
    dtype: WeightDType,
    post: Region,
    base: Region,
    planes: Region,
    count: number,
  ): void
  /** The inverse: gives back post's bytes exactly. */
  orderedSum(dtype: WeightDType, planes: Region, base: Region, post: Region, count: number): void
}

export interface MaskedScale {
  readonly key: Key
  readonly from: number
  /** 0 … 2³²; see `dropThreshold`. */
  readonly threshold: number
  readonly kept: number
  readonly dropped: number
}

export interface ElectAndMerge {
  readonly weights: readonly number[]
  readonly weighted: boolean
  readonly zeroSign: 1 | -1
  readonly normalize: boolean
  readonly lambda: number
}
