import {
  HIGH_BINS,
  HISTOGRAM_BYTES,
  type Kernels,
  LOW_BINS,
  type Region,
  SLOT_COUNTS_BYTES,
  SLOTS_BYTES,
} from './kernels.ts'
import { sliceRegion } from './slice-region.ts'

/** The element of one rank: rank 0 is the largest magnitude. */
export interface OrderStatistic {
  /** Its magnitude as f32 bits without the sign. */
  readonly magnitude: number
  /** How many elements have this magnitude, and how many of them have a rank before it. */
  readonly equals: number
  readonly equalsBefore: number
}

/**
 * Exact order statistics of magnitudes by streaming passes: non-negative floats are ordered as their
 * bits are, so the first pass counts by the highest 16 of 31 bits, and each later one, for up to
 * `TABLES` values of those that hold a wanted rank, by the lowest 15. Two passes do for so many ranks.
 */
export interface OrderStatistics {
  /** Passes over all elements are wanted until this is true. */
  readonly done: boolean
  scan(x: Region, count: number): void
  endPass(): void
  /** In the order of the ranks, once done; `undefined` for a rank behind the last element. */
  value(): readonly (OrderStatistic | undefined)[]
}

/** 2 MiB of counters, and one pass for what the paper's 16 blocks need. */
const TABLES = 16

/** Elements after which counts of 32 bits are put aside. */
const MOST_COUNTED = 2 ** 31

/** Bytes of the `table` for so many ranks. */
export function orderStatisticsBytes(ranks: number): number {
  return countersBytes(ranks) + SLOTS_BYTES
}

/** Of ascending ranks; what `table` holds at first means nothing. */
export function createOrderStatistics(
  kernels: Kernels,
  table: Region,
  ranks: readonly number[],
): OrderStatistics {
  const bytes = countersBytes(ranks.length)
  const counters = sliceRegion(table, 0, bytes)
  const slots = sliceRegion(table, bytes, SLOTS_BYTES)
  /** What the counters were before they were cleared in the middle of a pass. */
  let aside: Float64Array | undefined
  let counted = 0
  let places: readonly (Place | undefined)[] | undefined
  /** Bins of the first pass whose elements are counted more finely now, and those that wait. */
  let open: readonly number[] = []
  let waiting: readonly number[] = []
  const statistics = new Map<Place, OrderStatistic>()
  clear()

  function clear(): void {
    counters.u32.fill(0)
    counted = 0
  }

  function putAside(): void {
    aside ??= new Float64Array(counters.u32.length)
    for (let i = 0; i < aside.length; i++) aside[i]! += counters.u32[i]!
    clear()
  }

  function counter(i: number): number {
    return counters.u32[i]! + (aside?.[i] ?? 0)
  }

  /** A bin's count in the two tables of a histogram. */
  function inBoth(bin: number): number {
    return counter(bin) + counter(bin + HIGH_BINS)
  }

  function openBins(): void {
    open = waiting.slice(0, TABLES)
    waiting = waiting.slice(TABLES)
    slots.u8.fill(0)
    for (const [i, bin] of open.entries()) slots.u8[bin] = i + 1
  }

  /** Finds what is wanted of the bins that were open. */
  function settle(place: Place): void {
    const i = open.indexOf(place.bin)
    if (i < 0) return
    const countIn = open.length === 1 ? inBoth : (bin: number) => counter(i * LOW_BINS + bin)
    const inside = locate([place.before], LOW_BINS, countIn)[0]!
    const magnitude = place.bin * LOW_BINS + inside.bin
    statistics.set(place, { magnitude, equals: inside.count, equalsBefore: inside.before })
  }

  function isDone(): boolean {
    return ranks.length === 0 || (places !== undefined && open.length === 0)
  }

  return {
    get done() {
      return isDone()
    },
    scan(x, count) {
      if (isDone()) return
      if (counted + count > MOST_COUNTED) putAside()
      counted += count
      if (places === undefined) kernels.histogramHigh(x, count, counters)
      else if (open.length === 1) kernels.histogramLow(x, count, open[0]!, counters)
      else kernels.histogramSlots(x, count, slots, open.length, counters)
    },
    endPass() {
      if (isDone()) return
      if (places === undefined) {
        places = locate(ranks, HIGH_BINS, inBoth)
        waiting = [...new Set(places.flatMap((place) => place?.bin ?? []))]
      } else for (const place of places) if (place !== undefined) settle(place)
      openBins()
      aside = undefined
      clear()
    },
    value: () => ranks.map((_, i) => statistics.get(places![i]!)),
  }
}

function countersBytes(ranks: number): number {
  return Math.max(HISTOGRAM_BYTES, Math.min(TABLES, ranks) * SLOT_COUNTS_BYTES)
}

interface Place {
  readonly bin: number
  /** Elements of the bin. */
  readonly count: number
  /** Rank inside the bin. */
  readonly before: number
}

/** The bins of ascending ranks, from the highest bin on. */
function locate(
  ranks: readonly number[],
  bins: number,
  countIn: (bin: number) => number,
): (Place | undefined)[] {
  let bin = bins - 1
  let above = 0
  let count = countIn(bin)
  return ranks.map((rank) => {
    for (; above + count <= rank && bin > 0; count = countIn(--bin)) above += count
    return above + count <= rank ? undefined : { bin, count, before: rank - above }
  })
}
