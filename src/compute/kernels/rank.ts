import type { Key } from '../../random.ts'
import { holdFloats, type Region } from './region.ts'
import { FLOAT, type Splits } from './split.ts'

/**
 * Ranks of magnitudes within rows of equal width. A rank counts from the largest magnitude, which
 * has rank 0; of equals the first has the lower rank.
 */
export interface RankKernels {
  /** The rank of each element within its row, as u32; `order` is room for one row. */
  rankRows(x: Region, ranks: Region, order: Region, rows: number, width: number): void
  /** Keeps the elements with `from` ≤ rank < `to`; all others become +0. */
  keepRanks(x: Region, out: Region, ranks: Region, count: number, from: number, to: number): void
  /**
   * Keeps each element with a probability of its own, P = density + epsilon · (2·t − 1), where t
   * goes from 0 for the smallest magnitude of a row to 1 for the largest, in steps of 1/(width − 1)
   * when there are `ranks`, else in proportion to the magnitude; it is ½ where a row has one
   * element or one magnitude. Kept iff the element's Philox word is below ⌊P · 2³²⌋, P in f64; then
   * divided by P, rounded once, or multiplied by `kept` where that is given. All others become +0.
   */
  keepByChance(x: Region, out: Region, rows: number, width: number, options: KeepByChance): void
}

export interface KeepByChance {
  readonly key: Key
  /** Index of the first element in its tensor. */
  readonly from: number
  readonly density: number
  readonly epsilon: number
  readonly ranks?: Region
  readonly kept?: number
}

/** What assembly/rank.ts exports. */
export interface RankExports {
  rankRows(x: number, ranks: number, order: number, rows: number, width: number): void
  keepRanks(x: number, out: number, ranks: number, count: number, from: number, to: number): void
  /** The words start at `lane` of block `high` · 2³² + `low`. */
  keepByChance(
    x: number,
    out: number,
    ranks: number,
    rows: number,
    width: number,
    low: number,
    high: number,
    lane: number,
    key0: number,
    key1: number,
    density: number,
    epsilon: number,
    kept: number,
    byOwn: number,
  ): void
}

export const rankSplits: Splits<RankExports> = {
  keepRanks: { moves: [FLOAT, FLOAT, FLOAT, 'count', 0, 0] },
}

export function bindRank(wasm: RankExports): RankKernels {
  return {
    rankRows(x, ranks, order, rows, width) {
      holdFloats(rows * width, x, ranks)
      holdFloats(width, order)
      wasm.rankRows(x.pointer, ranks.pointer, order.pointer, rows, width)
    },
    keepRanks(x, out, ranks, count, from, to) {
      holdFloats(count, x, out, ranks)
      wasm.keepRanks(x.pointer, out.pointer, ranks.pointer, count, from, to)
    },
    keepByChance(x, out, rows, width, options) {
      const { key, from, density, epsilon, ranks, kept } = options
      holdFloats(rows * width, x, out, ...(ranks === undefined ? [] : [ranks]))
      const block = Math.floor(from / 4)
      wasm.keepByChance(
        x.pointer,
        out.pointer,
        ranks?.pointer ?? 0,
        rows,
        width,
        block >>> 0,
        Math.floor(block / 2 ** 32),
        from % 4,
        key[0],
        key[1],
        density,
        epsilon,
        kept ?? 1,
        Number(kept === undefined),
      )
    },
  }
}
