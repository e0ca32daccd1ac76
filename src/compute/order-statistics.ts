import {
  HISTOGRAM_BYTES,
  type Kernels,
  type Region,
  SLOT_COUNTS_BYTES,
  SLOTS_BYTES,
} from './kernels.ts'

/** The element of one rank, from the smallest magnitude on. */
export interface OrderStatistic {
  /** Its magnitude as f32 bits without the sign. */
  readonly magnitude: number
  /** How many elements of the same magnitude have a lower rank. */
  readonly equalsBefore: number
}

/**
 * Exact order statistics of magnitudes in two streaming passes: non-negative floats are ordered as
 * their bits are, so the first pass counts by the highest 16 of 31 bits and the second, for the few
 * values of those that hold a wanted rank, by the lowest 15. Memory follows the number of ranks.
 */
export interface OrderStatistics extends Disposable {
  /** Pass 0, then 1, over all elements in any order. */
  scan(pass: number, x: Region, count: number): void
  endPass(pass: number): void
  /** After both passes, in the order of the ranks. */
  value(): readonly OrderStatistic[]
}

/** At most 255 ranks of at most 2³² − 1 elements, each below the number of elements. */
export function createOrderStatistics(kernels: Kernels, ranks: readonly number[]): OrderStatistics {
  const regions: Region[] = []
  const take = (bytes: number): Region => {
    const region = kernels.allocate(bytes)
    regions.push(region)
    region.u8.fill(0)
    return region
  }
  const high = take(HISTOGRAM_BYTES)
  const slots = take(SLOTS_BYTES)
  let low = high
  let tables = 0
  let found: readonly Place[] = []

  return {
    scan(pass, x, count) {
      if (pass === 0) kernels.histogramHigh(x, count, high)
      else kernels.histogramSlots(x, count, slots, tables, low)
    },
    endPass(pass) {
      if (pass === 0) {
        found = locate(ranks, (bin) => high.u32[bin]! + high.u32[bin + HIGH_BINS]!)
        for (const { bin } of found) slots.u8[bin] ||= ++tables
        low = take(tables * SLOT_COUNTS_BYTES)
      } else {
        found = found.map(({ bin, before }) => {
          const table = (slots.u8[bin]! - 1) * LOW_BINS
          const [place] = locate([before], (lowBin) => low.u32[table + lowBin]!)
          return { bin: bin * LOW_BINS + place!.bin, before: place!.before }
        })
      }
    },
    value: () => found.map(({ bin, before }) => ({ magnitude: bin, equalsBefore: before })),
    [Symbol.dispose]() {
      for (const region of regions.splice(0)) kernels.release(region)
    },
  }
}

const HIGH_BINS = 2 ** 16
const LOW_BINS = 2 ** 15

interface Place {
  readonly bin: number
  /** Rank inside the bin. */
  readonly before: number
}

/** The bins of ascending ranks. */
function locate(ranks: readonly number[], countIn: (bin: number) => number): Place[] {
  let bin = 0
  let below = 0
  return ranks.map((rank) => {
    while (below + countIn(bin) <= rank) below += countIn(bin++)
    return { bin, before: rank - below }
  })
}
