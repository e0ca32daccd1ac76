import type { Kernels, Region } from './kernels.ts'
import { createOrderStatistics, orderStatisticsBytes } from './order-statistics.ts'

/** Which elements are the largest, as `Kernels.keepLargest` takes it. */
export interface Largest {
  /** Magnitudes above this are kept, as f32 bits without the sign. */
  readonly threshold: number
  /** How many elements of exactly this magnitude are kept, the first ones. */
  readonly ties: number
}

export const everything: Largest = { threshold: 0, ties: Infinity }
export const nothing: Largest = { threshold: 0x7fffffff, ties: 0 }

/** Finds the largest elements exactly, in two passes. */
export interface LargestSearch {
  scan(x: Region, count: number): void
  endPass(): void
  /** After two passes, in the order of `keeps`. */
  found(): readonly Largest[]
}

/** Bytes of the `table` for so many numbers of elements. */
export function largestSearchBytes(keeps: number): number {
  return orderStatisticsBytes(keeps)
}

/**
 * Searches, for each of up to 16 numbers, so many largest elements. Elements that no pass shows count
 * as smaller than all others. `inclusive` keeps all that equal the smallest one too.
 */
export function createLargestSearch(
  kernels: Kernels,
  table: Region,
  keeps: readonly number[],
  inclusive = false,
): LargestSearch {
  const wanted = [...new Set(keeps)].filter((keep) => keep > 0).sort((a, b) => a - b)
  const statistics = createOrderStatistics(
    kernels,
    table,
    wanted.map((keep) => keep - 1),
  )
  return {
    scan: (x, count) => statistics.scan(x, count),
    endPass: () => statistics.endPass(),
    found() {
      const last = statistics.value()
      return keeps.map((keep) => {
        if (keep === 0) return nothing
        const smallest = last[wanted.indexOf(keep)]
        if (smallest === undefined) return everything
        const { magnitude, equals, equalsBefore } = smallest
        const all = inclusive || equalsBefore + 1 === equals
        return { threshold: magnitude, ties: all ? Infinity : equalsBefore + 1 }
      })
    },
  }
}

/** Puts the largest elements of consecutive chunks into `out` and +0 elsewhere. */
export type KeepLargest = (x: Region, out: Region, count: number) => void

export function createKeepLargest(kernels: Kernels, { threshold, ties }: Largest): KeepLargest {
  let left = ties
  return (x, out, count) => {
    left -= kernels.keepLargest(x, out, count, threshold, left)
  }
}
