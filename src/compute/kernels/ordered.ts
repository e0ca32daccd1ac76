import type { WeightDType } from '../../tensors/dtype.ts'
import { bytesPer, holds, type Region } from './region.ts'

/** Exact differences of bit patterns. */
export interface OrderedKernels {
  /**
   * The exact difference of two weights of one dtype as whole numbers: both bit patterns are mapped to
   * integers in the order of the values they stand for (−0 directly below +0), subtracted modulo
   * 2^bits, zigzag-coded, and split into byte planes, lowest first: plane p of the result starts
   * at byte `p · count` of `planes`. 2 planes for BF16 and F16, 4 for F32.
   */
  orderedDifference(
    dtype: WeightDType,
    post: Region,
    base: Region,
    planes: Region,
    count: number,
  ): void
  /** The inverse: gives back post's bytes exactly. */
  orderedSum(dtype: WeightDType, planes: Region, base: Region, post: Region, count: number): void
}

/** What assembly/ordered.ts exports. */
export interface OrderedExports {
  orderedDifference16(post: number, base: number, planes: number, count: number): void
  orderedDifference32(post: number, base: number, planes: number, count: number): void
  orderedSum16(planes: number, base: number, post: number, count: number): void
  orderedSum32(planes: number, base: number, post: number, count: number): void
}

export function bindOrdered(wasm: OrderedExports): OrderedKernels {
  return {
    orderedDifference(dtype, post, base, planes, count) {
      for (const region of [post, base, planes]) holds(region, count * bytesPer[dtype])
      if (bytesPer[dtype] === 2) {
        wasm.orderedDifference16(post.pointer, base.pointer, planes.pointer, count)
      } else wasm.orderedDifference32(post.pointer, base.pointer, planes.pointer, count)
    },
    orderedSum(dtype, planes, base, post, count) {
      for (const region of [planes, base, post]) holds(region, count * bytesPer[dtype])
      if (bytesPer[dtype] === 2) {
        wasm.orderedSum16(planes.pointer, base.pointer, post.pointer, count)
      } else wasm.orderedSum32(planes.pointer, base.pointer, post.pointer, count)
    },
  }
}
