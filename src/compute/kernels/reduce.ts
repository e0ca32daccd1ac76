import { holdFloats, type Region } from './region.ts'

/** Sums in f64 of one block, and the search for what is not finite. */
export interface ReduceKernels {
  /** Σ |x|, Σ x and Σ x² of one block (count ≤ BLOCK_ELEMENTS) in f64, in a fixed order. */
  sumMagnitudes(x: Region, count: number): number
  sumSquares(x: Region, count: number): number
  dot(a: Region, b: Region, count: number): number
  /** Index of the first NaN or infinity, or −1. */
  firstNonFinite(x: Region, count: number): number
}

/** What assembly/reduce.ts exports. */
export interface ReduceExports {
  sumMagnitudes(x: number, count: number): number
  dot(a: number, b: number, count: number): number
  firstNonFinite(x: number, count: number): number
}

export function bindReduce(wasm: ReduceExports): ReduceKernels {
  return {
    sumMagnitudes(x, count) {
      holdFloats(count, x)
      return wasm.sumMagnitudes(x.pointer, count)
    },
    sumSquares(x, count) {
      holdFloats(count, x)
      return wasm.dot(x.pointer, x.pointer, count)
    },
    dot(a, b, count) {
      holdFloats(count, a, b)
      return wasm.dot(a.pointer, b.pointer, count)
    },
    firstNonFinite(x, count) {
      holdFloats(count, x)
      return wasm.firstNonFinite(x.pointer, count)
    },
  }
}
