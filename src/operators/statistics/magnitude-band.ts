import type { Kernels, Region } from '../../compute/kernels.ts'
import { type KeepLargest, largestSearchBytes } from '../../compute/largest.ts'
import { rowElements } from '../../tensors/tensor.ts'
import type { ChunkMap, TensorContext } from '../index.ts'
import {
  createSelectionSearch,
  createTrim,
  keepsNone,
  type Over,
  searchPasses,
  type Selection,
} from './selection.ts'
import type { Statistic } from './statistic.ts'

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

/** What is ranked: the elements of each row, of each tensor, or of all tensors together. */
export type Ranked = Over | 'row'

/** The band that `bandOf` gives for so many elements; rows need no look beforehand. */
export type BandOf = (elements: number) => Band

export function bandStatistic(
  over: Ranked,
  bandOf: BandOf,
  inclusive = false,
): Statistic<BandSelection> | undefined {
  return over === 'row' ? undefined : magnitudeBand(over, bandOf, inclusive)
}

/** Puts the band's elements into the output, +0 elsewhere. Needs two chunks of scratch. */
export function openBand(
  context: Pick<
    TensorContext<unknown, BandSelection>,
    'kernels' | 'spec' | 'statistic' | 'scratch'
  >,
  over: Ranked,
  bandOf: BandOf,
): ChunkMap {
  const { kernels, spec, statistic, scratch } = context
  const width = rowElements(spec)
  const keep =
    over === 'row'
      ? createRowBand(kernels, width, bandOf(width), scratch)
      : createBand(kernels, statistic, spec.name, scratch)
  return ([x], out, _from, count) => keep(x!, out, count)
}

/**
 * Finds the band of each tensor, or of all tensors together; with `inclusive` all equals of its
 * smallest are in it.
 */
export function magnitudeBand(
  over: Over,
  bandOf: BandOf,
  inclusive = false,
): Statistic<BandSelection> {
  return {
    scope: over,
    passes: searchPasses(over, inclusive),
    table: largestSearchBytes(2),
    start({ kernels, elements, tables: [table] }) {
      const { skip, keep } = bandOf(elements)
      const search = createSelectionSearch(kernels, table!, {
        over,
        keeps: [skip + keep, skip],
        inclusive,
      })
      return {
        scan: (pass, spec, [x], _from, count) => search.scan(pass, spec, x!, count),
        endPass: (pass) => search.endPass(pass),
        value() {
          const [outer, inner] = search.value()
          return { outer: outer!, inner: inner! }
        },
      }
    },
  }
}

/** Keeps a band's elements in place of the largest; `scratch` holds two chunks. */
export function createBand(
  kernels: Kernels,
  { outer, inner }: BandSelection,
  tensor: string,
  [largest, bits]: readonly Region[],
): KeepLargest {
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
function createRowBand(
  kernels: Kernels,
  width: number,
  { skip, keep }: Band,
  [ranks, order]: readonly Region[],
): KeepLargest {
  return (x, out, count) => {
    kernels.rankRows(x, ranks!, order!, count / width, width)
    kernels.keepRanks(x, out, ranks!, count, skip, skip + keep)
  }
}
