import type { Kernels, Region } from '../../compute/kernels.ts'

/** Which elements of a tensor are its largest, as `Kernels.keepLargest` takes it. */
export interface Largest {
  /** Magnitudes above this are kept, as f32 bits without the sign. */
  readonly threshold: number
  /** How many elements of exactly this magnitude are kept, the first ones. */
  readonly ties: number
}

/**
 * Finds a tensor's `keep` largest elements exactly in two passes, by a radix histogram of magnitude
 * bits, which are in the order of their values: the first pass over the highest 16, the second over
 * the lowest 15. `inclusive` keeps all that equal the smallest of them.
 */
export interface LargestSearch {
  scan(x: Region, count: number): void
  endPass(): void
  /** After two passes. */
  found(): Largest
}

export const everything: Largest = { threshold: 0, ties: Infinity }

/** Elements of a tensor stay below 2³², so that a bin's count fits. */
export function createLargestSearch(
  kernels: Kernels,
  histogram: Region,
  { keep, inclusive }: { readonly keep: number; readonly inclusive: boolean },
): LargestSearch {
  const counts = histogram.u32
  let remaining = keep
  let high: number | undefined
  let largest: Largest = { threshold: 0x7fffffff, ties: 0 }
  counts.fill(0)

  /** The bin that holds the last one kept; takes what lies above it off `remaining`. */
  function narrow(bins: number): number {
    for (let bin = bins - 1; ; bin--) {
      const found = counts[bin]! + counts[bin + HIGH_BINS]!
      if (found >= remaining || bin === 0) return bin
      remaining -= found
    }
  }

  return {
    scan(x, count) {
      if (keep === 0) return
      if (high === undefined) kernels.histogramHigh(x, count, histogram)
      else kernels.histogramLow(x, count, high, histogram)
    },
    endPass() {
      if (keep === 0) return
      if (high === undefined) high = narrow(HIGH_BINS)
      else {
        const threshold = high * LOW_BINS + narrow(LOW_BINS)
        largest = { threshold, ties: inclusive ? Infinity : remaining }
      }
      counts.fill(0)
    },
    found: () => largest,
  }
}

const HIGH_BINS = 2 ** 16
const LOW_BINS = 2 ** 15
