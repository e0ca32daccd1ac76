import { holdFloats, holds, type Region } from './region.ts'

/** Blocks of magnitudes, at most 256, numbered from the lowest. */
export interface BlocksKernels {
  /**
   * indexes[i] = how many borders x[i] has passed. Border j is a magnitude as f32 bits without the
   * sign, in ascending order; an element passes those up to its own magnitude, but the next
   * `ties[j]` elements equal to border j stay before it, which uses them up. There are 2ᵖ − 1
   * borders; one of `NO_BORDER` is never passed.
   */
  assignBlocks(x: Region, indexes: Region, count: number, borders: Borders): void
  /** Adds x (or |x|) and 1 to the pair of f64 of its index in `sums`, one element after the other. */
  sumBlocks(x: Region, indexes: Region, count: number, sums: Region): void
  sumMagnitudeBlocks(x: Region, indexes: Region, count: number, sums: Region): void
  /** out[i] = values[indexes[i]] for 256 f32; returns the highest index. */
  lookUpBlocks(indexes: Region, values: Region, out: Region, count: number): number
  /** indexes[i] = codes[indexes[i]], with its lowest `bits` bits turned where x[i] < 0. */
  signCodes(x: Region, indexes: Region, codes: Region, count: number, bits: number): void
}

/** Ascending borders and how many equal elements stay before each, both u32. */
export interface Borders {
  /** A power of two: one more than there are borders. */
  readonly blocks: number
  readonly borders: Region
  readonly ties: Region
}

/** Above every magnitude. */
export const NO_BORDER = 0xffff_ffff

/** What a table over all indexes takes: pairs of f64, or f32 values. */
export const BLOCK_SUMS_BYTES = 256 * 16
export const BLOCK_VALUES_BYTES = 256 * 4

/** What assembly/blocks.ts exports. */
export interface BlocksExports {
  assignBlocks(
    x: number,
    indexes: number,
    count: number,
    borders: number,
    ties: number,
    half: number,
  ): void
  sumBlocks(x: number, indexes: number, count: number, sums: number, bits: number): void
  lookUpBlocks(indexes: number, values: number, out: number, count: number): number
  signCodes(x: number, indexes: number, codes: number, count: number, ones: number): void
}

export function bindBlocks(wasm: BlocksExports): BlocksKernels {
  function sum(x: Region, indexes: Region, count: number, sums: Region, bits: number): void {
    holdFloats(count, x)
    holds(indexes, count)
    holds(sums, BLOCK_SUMS_BYTES)
    wasm.sumBlocks(x.pointer, indexes.pointer, count, sums.pointer, bits)
  }
  return {
    assignBlocks(x, indexes, count, { blocks, borders, ties }) {
      holdFloats(count, x)
      holds(indexes, count)
      holdFloats(blocks - 1, borders, ties)
      const half = blocks >> 1
      wasm.assignBlocks(x.pointer, indexes.pointer, count, borders.pointer, ties.pointer, half)
    },
    sumBlocks: (x, indexes, count, sums) => sum(x, indexes, count, sums, 0xffff_ffff),
    sumMagnitudeBlocks: (x, indexes, count, sums) => sum(x, indexes, count, sums, 0x7fff_ffff),
    lookUpBlocks(indexes, values, out, count) {
      holds(indexes, count)
      holds(values, BLOCK_VALUES_BYTES)
      holdFloats(count, out)
      return wasm.lookUpBlocks(indexes.pointer, values.pointer, out.pointer, count)
    },
    signCodes(x, indexes, codes, count, bits) {
      holdFloats(count, x)
      holds(indexes, count)
      holds(codes, 256)
      wasm.signCodes(x.pointer, indexes.pointer, codes.pointer, count, 2 ** bits - 1)
    },
  }
}
