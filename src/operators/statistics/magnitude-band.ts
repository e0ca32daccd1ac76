import { HISTOGRAM_BYTES, type Kernels, type Region } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import type { Statistic } from './statistic.ts'
import { createSearch, createTrim, keepsNone, type Selection } from './top-magnitudes.ts'

/**
 * A run of elements in the order of their magnitudes: `skip` of the largest are passed over, the
 * `keep` that follow are meant. Of equals those with the lowest index come first.
 */
export interface Band {
  readonly skip: number
  readonly keep: number
}

/** A band of one input: its elements are among the largest of one size and not among those of another. */
export interface BandSelection {
  readonly outer: Selection
  readonly inner: Selection
}

/**
 * Finds the band that `bandOf` gives for the elements of each tensor, or of all tensors together;
 * with `inclusive` the equals of its smallest are in it too.
 */
export function magnitudeBand(
  over: 'tensor' | 'all',
  bandOf: (elements: number) => Band,
  inclusive = false,
): Statistic<BandSelection> {
  return {
    scope: over,
    passes: over === 'all' && !inclusive ? 3 : 2,
    table: 2 * HISTOGRAM_BYTES,
    start({ kernels, elements, tables: [table] }) {
      const { skip, keep } = bandOf(elements)
      const [outer, inner] = [skip + keep, skip].map((largest, i) =>
        createSearch(kernels, sliceRegion(table!, i * HISTOGRAM_BYTES, HISTOGRAM_BYTES), {
          over,
          keep: largest,
          inclusive,
        }),
      ) as [Search, Search]
      return {
        scan(pass, { name }, [x], _from, count) {
          outer.scan(pass, name, x!, count)
          inner.scan(pass, name, x!, count)
        },
        endPass(pass) {
          outer.endPass(pass)
          inner.endPass(pass)
        },
        value: () => ({ outer: outer.value(), inner: inner.value() }),
      }
    },
  }
}

type Search = ReturnType<typeof createSearch>

/** Puts the band's elements of a tensor's consecutive chunks into `out`, +0 elsewhere. */
export type KeepBand = (x: Region, out: Region, count: number) => void

/** `scratch` holds two chunks. */
export function createBand(
  kernels: Kernels,
  { outer, inner }: BandSelection,
  tensor: string,
  [largest, bits]: readonly Region[],
): KeepBand {
  const keepOuter = createTrim(kernels, outer, tensor)
  if (keepsNone(inner)) return keepOuter
  const keepInner = createTrim(kernels, inner, tensor)
  return (x, out, count) => {
    keepInner(x, largest!, count)
    kernels.packNonzero(largest!, bits!, count)
    keepOuter(x, largest!, count)
    kernels.scaleByBits(largest!, bits!, out, count, { set: 0, clear: 1 })
  }
}

/** The same for a band of every row; chunks hold whole rows of `width` elements. */
export function createRowBand(
  kernels: Kernels,
  width: number,
  { skip, keep }: Band,
  [ranks, order]: readonly Region[],
): KeepBand {
  return (x, out, count) => {
    kernels.rankRows(x, ranks!, order!, count / width, width)
    kernels.keepRanks(x, out, ranks!, count, skip, skip + keep)
  }
}
