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
 * Exact order statistics of magnitudes by streaming passes: non-negative floats are ordered as their
 * bits are, so the first pass counts by the highest 16 of 31 bits, and each later one, for up to
 * `TABLES` values of those that hold a wanted rank, by the lowest 15.
 */
export interface OrderStatistics extends Disposable {
  /** Passes over all elements are wanted until this is true. */
  readonly done: boolean
  scan(x: Region, count: number): void
  endPass(): void
  /** In the order of the ranks, once done. */
  value(): readonly OrderStatistic[]
}

/** 2 MiB of counters, and one pass for what the paper's 16 blocks need. */
const TABLES = 16

/** Ascending ranks, each below the number of elements, of which there are fewer than 2³². */
export function createOrderStatistics(kernels: Kernels, ranks: readonly number[]): OrderStatistics {
  const regions = [HISTOGRAM_BYTES, SLOTS_BYTES, TABLES * SLOT_COUNTS_BYTES].map((bytes) => {
    const region = kernels.allocate(bytes)
    region.u8.fill(0)
    return region
  })
  const [high, slots, low] = regions as [Region, Region, Region]
  let found: Place[] | undefined
  /** Bins of the first pass whose elements have yet to be counted more finely. */
  let open: readonly number[] = []
  let tables = 0
  const statistics = new Map<Place, OrderStatistic>()

  /** Gives the next bins a table each. */
  function openTables(): void {
    slots.u8.fill(0)
    low.u8.fill(0)
    tables = Math.min(TABLES, open.length)
    for (let table = 0; table < tables; table++) slots.u8[open[table]!] = table + 1
  }

  return {
    get done() {
      return found !== undefined && open.length === 0
    },
    scan(x, count) {
      if (found === undefined) kernels.histogramHigh(x, count, high)
      else kernels.histogramSlots(x, count, slots, tables, low)
    },
    endPass() {
      if (found === undefined) {
        found = locate(ranks, (bin) => high.u32[bin]! + high.u32[bin + HIGH_BINS]!)
        open = [...new Set(found.map(({ bin }) => bin))]
      } else {
        for (const place of found) {
          const table = slots.u8[place.bin]! - 1
          if (table < 0) continue
          const [inside] = locate([place.before], (bin) => low.u32[table * LOW_BINS + bin]!)
          const magnitude = place.bin * LOW_BINS + inside!.bin
          statistics.set(place, { magnitude, equalsBefore: inside!.before })
        }
        open = open.slice(tables)
      }
      openTables()
    },
    value: () => found!.map((place) => statistics.get(place)!),
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
