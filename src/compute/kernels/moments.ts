import { holdFloats, type Region } from './region.ts'

/** Sums of one block (count ≤ BLOCK_ELEMENTS) in f64, in a fixed order. */
export interface MomentsKernels {
  /** Σ x */
  sum(x: Region, count: number): number
  /** Σ (x − mean)² */
  squaredDeviations(x: Region, count: number, mean: number): number
  /** Σ (a − b)² */
  squaredDistance(a: Region, b: Region, count: number): number
}

/** What assembly/moments.ts exports. */
export interface MomentsExports {
  sum(x: number, count: number): number
  squaredDeviations(x: number, count: number, mean: number): number
  squaredDistance(a: number, b: number, count: number): number
}

export function bindMoments(wasm: MomentsExports): MomentsKernels {
  return {
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
  }
}
