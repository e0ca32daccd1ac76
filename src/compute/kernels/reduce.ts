import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { holdFloats, type Region } from './region.ts'
import { FLOAT, type Splits } from './split.ts'

/** Sums in f64, and the search for what is not finite. */
export interface ReduceKernels {
  /**
   * Σ |x|, Σ x² and Σ a · b in f64, added to `before`: each block of `BLOCK_ELEMENTS` is summed in a
   * fixed order, and block sums are added one by one. So a tensor's sum is the same for any chunks of
   * whole blocks, each of which continues the sum of those before it.
   */
  sumMagnitudes(x: Region, count: number, before?: number): number
  sumSquares(x: Region, count: number, before?: number): number
  dot(a: Region, b: Region, count: number, before?: number): number
  /** Index of the first NaN or infinity, or −1. */
  firstNonFinite(x: Region, count: number): number
}

/** What assembly/reduce.ts exports. */
export interface ReduceExports {
  /** The pointer of 32 KiB that hold the sums of a call's blocks. */
  readonly scratch: { readonly value: number }
  sumMagnitudes(x: number, count: number, sums: number): void
  dot(a: number, b: number, count: number, sums: number): void
  firstNonFinite(x: number, count: number): number
}

/** How far the pointer to a block's sum moves per element. */
const SUM = 8 / BLOCK_ELEMENTS

export const reduceSplits: Splits<ReduceExports> = {
  sumMagnitudes: { moves: [FLOAT, 'count', SUM], work: 2, grain: BLOCK_ELEMENTS },
  dot: { moves: [FLOAT, FLOAT, 'count', SUM], work: 2, grain: BLOCK_ELEMENTS },
  firstNonFinite: { moves: [FLOAT, 'count'], result: 'first' },
}

/** The blocks whose sums the 32 KiB of `scratch` hold. */
const MAXIMUM_BLOCKS = 4096

export function bindReduce(wasm: ReduceExports): ReduceKernels {
  /** Continues `sum` with the sums of blocks, as many at a time as there is room for. */
  function foldBlocks(
    { u8 }: Region,
    count: number,
    sum: number,
    blockSums: (from: number, count: number, sums: number) => void,
  ): number {
    const sums = new Float64Array(u8.buffer, wasm.scratch.value, MAXIMUM_BLOCKS)
    for (let from = 0; from < count; from += MAXIMUM_BLOCKS * BLOCK_ELEMENTS) {
      const size = Math.min(count - from, MAXIMUM_BLOCKS * BLOCK_ELEMENTS)
      blockSums(from * FLOAT, size, sums.byteOffset)
      for (let i = 0; i * BLOCK_ELEMENTS < size; i++) sum += sums[i]!
    }
    return sum
  }

  function dot(a: Region, b: Region, count: number, before = 0): number {
    holdFloats(count, a, b)
    return foldBlocks(a, count, before, (at, size, sums) =>
      wasm.dot(a.pointer + at, b.pointer + at, size, sums),
    )
  }

  return {
    sumMagnitudes(x, count, before = 0) {
      holdFloats(count, x)
      return foldBlocks(x, count, before, (at, size, sums) =>
        wasm.sumMagnitudes(x.pointer + at, size, sums),
      )
    },
    sumSquares: (x, count, before) => dot(x, x, count, before),
    dot,
    firstNonFinite(x, count) {
      holdFloats(count, x)
      return wasm.firstNonFinite(x.pointer, count)
    },
  }
}
