import type { WeightDType } from '../../tensors/dtype.ts'
import { bytesPer, holdFloats, holds, numberOf, type Region } from './region.ts'
import { FLOAT, type Splits } from './split.ts'

/** The two ends of a delta: made from two weights, put onto one. */
export interface DeltasKernels {
  /** out = f32(post) − f32(base), both of one dtype. */
  difference(dtype: WeightDType, post: Region, base: Region, out: Region, count: number): void
  /** out = f32(base) + delta, the sum rounded as `narrow` does to dtype `to`. */
  applied(
    dtype: WeightDType,
    base: Region,
    delta: Region,
    to: WeightDType,
    out: Region,
    count: number,
  ): void
}

/** What assembly/deltas.ts exports. */
export interface DeltasExports {
  /** dtypes are 0 for F32, 1 for BF16 and 2 for F16. */
  difference(dtype: number, post: number, base: number, out: number, count: number): void
  applied(dtype: number, base: number, delta: number, to: number, out: number, count: number): void
}

export const deltasSplits: Splits<DeltasExports> = {
  difference: {
    moves: ({ 0: dtype }) => [0, bytesOf(dtype!), bytesOf(dtype!), FLOAT, 'count'],
  },
  applied: {
    moves: ({ 0: dtype, 3: to }) => [0, bytesOf(dtype!), FLOAT, 0, bytesOf(to!), 'count'],
    work: 2,
  },
}

export function bindDeltas(wasm: DeltasExports): DeltasKernels {
  return {
    difference(dtype, post, base, out, count) {
      for (const region of [post, base]) holds(region, count * bytesPer[dtype])
      holdFloats(count, out)
      wasm.difference(numberOf[dtype], post.pointer, base.pointer, out.pointer, count)
    },
    applied(dtype, base, delta, to, out, count) {
      holds(base, count * bytesPer[dtype])
      holdFloats(count, delta)
      holds(out, count * bytesPer[to])
      const [from, into] = [numberOf[dtype], numberOf[to]]
      wasm.applied(from, base.pointer, delta.pointer, into, out.pointer, count)
    },
  }
}

function bytesOf(dtype: number): number {
  return dtype === numberOf.F32 ? 4 : 2
}
