import { type Kernels, type Matrix, PACK_BYTES, type Region } from '../kernels.ts'
import type { Lease } from '../lease.ts'

/**
 * Products of matrices in f32, and the kernels in whose memory they lie. What is stored or hashed
 * comes from `createProducts`; another engine's sums are rounded in another order.
 */
export interface MatrixProducts {
  readonly kernels: Kernels
  /** out = left · right; `out` is row by row and overlaps neither factor. */
  multiply(left: Matrix, right: Matrix, out: Matrix): void | Promise<void>
  /** `Kernels.gram` */
  gram(x: Matrix, out: Region): Float64Array
}

/** The kernels' own products: the same bytes on every machine. */
export function createProducts(kernels: Kernels, lease: Lease): MatrixProducts {
  const packs = lease.take(PACK_BYTES)
  return {
    kernels,
    multiply: (left, right, out) => kernels.multiply(left, right, out, packs),
    gram: (x, out) => kernels.gram(x, out, packs),
  }
}
