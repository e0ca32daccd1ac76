import { holdFloats, holds, type Region } from './region.ts'
import { FLOAT, type Splits } from './split.ts'

/** Order statistics of magnitudes. */
export interface SelectKernels {
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
  /**
   * Where the highest 16 of a magnitude's 31 bits have a slot s (`slots` has a byte for each value)
   * in 1 … `tables`, adds 1 to entry 2¹⁵ · (s − 1) + the lowest 15 bits of `counts`.
   */
  histogramSlots(x: Region, count: number, slots: Region, tables: number, counts: Region): void
  /** How many elements have exactly this magnitude. */
  countMagnitude(x: Region, count: number, magnitude: number): number
  /** The largest magnitude as f32 bits. */
  largestMagnitude(x: Region, count: number): number
}

/** Values of the highest 16 and of the lowest 15 bits of a magnitude. */
export const HIGH_BINS = 2 ** 16
export const LOW_BINS = 2 ** 15

/** Two tables of `HIGH_BINS` u32, one after the other. */
export const HISTOGRAM_BYTES = 2 * HIGH_BINS * 4

/** One table of `histogramSlots`, and its slots. */
export const SLOT_COUNTS_BYTES = LOW_BINS * 4
export const SLOTS_BYTES = HIGH_BINS

/** What assembly/select.ts exports. */
export interface SelectExports {
  keepLargest(x: number, out: number, count: number, threshold: number, ties: number): number
  histogramHigh(x: number, count: number, counts: number): void
  histogramLow(x: number, count: number, high: number, counts: number): void
  histogramSlots(x: number, count: number, slots: number, tables: number, counts: number): void
  /** Adds `count` counters, a multiple of 4, to others and clears them. */
  moveCounts(from: number, to: number, count: number): void
  countMagnitude(x: number, count: number, magnitude: number): number
  largestMagnitude(x: number, count: number): number
}

export const selectSplits: Splits<SelectExports> = {
  // Each piece keeps as many ties as all may: too many only in the call in which they run out.
  keepLargest: { moves: [FLOAT, FLOAT, 'count', 0, 0], result: 'sum', limit: 4 },
  // They take four copies' time, but two threads' counters have to be added.
  histogramHigh: { moves: [FLOAT, 'count', 'counters'], work: 2 },
  histogramLow: { moves: [FLOAT, 'count', 0, 'counters'], work: 2 },
  countMagnitude: { moves: [FLOAT, 'count', 0], result: 'sum' },
}

export function bindSelect(wasm: SelectExports): SelectKernels {
  return {
    keepLargest(x, out, count, threshold, ties) {
      holdFloats(count, x, out)
      return wasm.keepLargest(x.pointer, out.pointer, count, threshold, Math.min(ties, count)) >>> 0
    },
    histogramHigh(x, count, counts) {
      holdFloats(count, x)
      holds(counts, HISTOGRAM_BYTES)
      wasm.histogramHigh(x.pointer, count, counts.pointer)
    },
    histogramLow(x, count, high, counts) {
      holdFloats(count, x)
      holds(counts, HISTOGRAM_BYTES)
      wasm.histogramLow(x.pointer, count, high, counts.pointer)
    },
    histogramSlots(x, count, slots, tables, counts) {
      holdFloats(count, x)
      holds(slots, SLOTS_BYTES)
      holds(counts, tables * SLOT_COUNTS_BYTES)
      wasm.histogramSlots(x.pointer, count, slots.pointer, tables, counts.pointer)
    },
    countMagnitude(x, count, magnitude) {
      holdFloats(count, x)
      return wasm.countMagnitude(x.pointer, count, magnitude) >>> 0
    },
    largestMagnitude(x, count) {
      holdFloats(count, x)
      return wasm.largestMagnitude(x.pointer, count) >>> 0
    },
  }
}
