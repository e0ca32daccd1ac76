import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import type { WeightDType } from '../../tensors/dtype.ts'
import { type BlockSumsExports, foldBlocks, SUM } from './block-sums.ts'
import { holdFloats, holds, type Region } from './region.ts'
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
  /** Σ x, Σ (x − mean)² and Σ (a − b)² in f64 of one block, in a fixed order. */
  sum(x: Region, count: number): number
  squaredDeviations(x: Region, count: number, mean: number): number
  squaredDistance(a: Region, b: Region, count: number): number
  /** Index of the first NaN or infinity, or −1. */
  firstNonFinite(x: Region, count: number): number
  /** The same of weights as files hold them. */
  firstNonFiniteOf(dtype: WeightDType, x: Region, count: number): number
}

/** What assembly/reduce.ts exports; sums of blocks are stored from `sums` on. */
export interface ReduceExports extends BlockSumsExports {
  blockMagnitudes(x: number, count: number, sums: number): void
  blockProducts(a: number, b: number, count: number, sums: number): void
  sum(x: number, count: number): number
  squaredDeviations(x: number, count: number, mean: number): number
  squaredDistance(a: number, b: number, count: number): number
  firstNonFinite(x: number, count: number): number
  firstNonFinite16(x: number, count: number, exponent: number): number
}

export const reduceSplits: Splits<ReduceExports> = {
  blockMagnitudes: { moves: [FLOAT, 'count', SUM], work: 2, grain: BLOCK_ELEMENTS },
  blockProducts: { moves: [FLOAT, FLOAT, 'count', SUM], work: 2, grain: BLOCK_ELEMENTS },
  firstNonFinite: { moves: [FLOAT, 'count'], result: 'first' },
  firstNonFinite16: { moves: [2, 'count', 0], result: 'first' },
}

export function bindReduce(wasm: ReduceExports): ReduceKernels {
  function dot(a: Region, b: Region, count: number, before = 0): number {
    holdFloats(count, a, b)
    return foldBlocks(wasm, a, count, before, (from, size, sums) => {
      wasm.blockProducts(a.pointer + FLOAT * from, b.pointer + FLOAT * from, size, sums)
    })
  }

  function firstNonFinite(x: Region, count: number): number {
    holdFloats(count, x)
    return wasm.firstNonFinite(x.pointer, count)
  }

  return {
    sumMagnitudes(x, count, before = 0) {
      holdFloats(count, x)
      return foldBlocks(wasm, x, count, before, (from, size, sums) => {
        wasm.blockMagnitudes(x.pointer + FLOAT * from, size, sums)
      })
    },
    sumSquares: (x, count, before) => dot(x, x, count, before),
    dot,
    sum(x, count) {
      holdFloats(count, x)
      return wasm.sum(x.pointer, count)
    },
    squaredDeviations(x, count, mean) {
      holdFloats(count, x)
      return wasm.squaredDeviations(x.pointer, count, mean)
    },
    squaredDistance(a, b, count) {
      holdFloats(count, a, b)
      return wasm.squaredDistance(a.pointer, b.pointer, count)
    },
    firstNonFinite,
    firstNonFiniteOf(dtype, x, count) {
      if (dtype === 'F32') return firstNonFinite(x, count)
      holds(x, count * 2)
      return wasm.firstNonFinite16(x.pointer, count, exponentBits[dtype])
    },
  }
}

const exponentBits = { BF16: 0x7f80, F16: 0x7c00 } as const
