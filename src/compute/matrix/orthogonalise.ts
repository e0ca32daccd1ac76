import type { Matrix } from '../kernels.ts'
import type { Lease } from '../lease.ts'
import { matrixOf, transposed } from './matrix.ts'
import type { MatrixProducts } from './products.ts'

/**
 * Makes the columns of `block` orthonormal among themselves and to those of `basis`, into `out`;
 * what `block` holds afterwards is anything.
 */
export type Orthogonalise = (basis: Matrix, out: Matrix) => Promise<void>

/**
 * Share of a column's square that must be left beside the basis and the columns before it, in the
 * first round and in the second; of a column with less mostly f32's rounding would be left, and it
 * becomes 0.
 */
const LEAST_LEFT = [1e-12, 1e-2] as const

/**
 * Two rounds of Gram–Schmidt against the basis and of Cholesky QR inside the block (Yamamoto et
 * al., ETNA 44, 2015). The Gram matrix is in f64: in f32 it is not positive on rank-deficient
 * input.
 */
export function orthogonaliser(
  products: MatrixProducts,
  block: Matrix,
  capacity: number,
  lease: Lease,
): Orthogonalise {
  const { kernels } = products
  const { rows, columns } = block
  const other = matrixOf(lease.take(rows * columns * 4), rows, columns)
  const overlaps = lease.take(capacity * columns * 4)
  const sums = lease.take(columns * columns * 8)
  const inverse = matrixOf(lease.take(columns * columns * 4), columns, columns)

  return async (basis, out) => {
    for (const [round, least] of LEAST_LEFT.entries()) {
      const from = round === 0 ? block : other
      const free = round === 0 ? other : block
      const given = diagonalOf(products.gram(transposed(from), sums), columns)
      if (basis.columns > 0) {
        const overlap = matrixOf(overlaps, basis.columns, columns)
        await products.multiply(transposed(basis), from, overlap)
        await products.multiply(basis, overlap, free)
        kernels.subtract(from.region, free.region, from.region, rows * columns)
      }
      const gram = products.gram(transposed(from), sums)
      inverse.region.f32.set(inverseRoot(gram, given, least))
      await products.multiply(from, inverse, round === 0 ? other : out)
    }
  }
}

export function diagonalOf(square: Float64Array, size: number): Float64Array {
  return Float64Array.from({ length: size }, (_, i) => square[i * size + i]!)
}

/**
 * R⁻¹ of the Cholesky factor RᵀR of a Gram matrix, row by row: Y · R⁻¹ has orthonormal columns. A
 * column of whose `given` square at most `least` is left has no share in others and becomes 0.
 */
export function inverseRoot(gram: Float64Array, given: Float64Array, least: number): Float64Array {
  const n = given.length
  const root = new Float64Array(n * n)
  const inverse = new Float64Array(n * n)
  for (let j = 0; j < n; j++) {
    let left = gram[j * n + j]!
    for (let i = 0; i < j; i++) {
      if (root[i * n + i] === 0) continue
      let value = gram[i * n + j]!
      for (let k = 0; k < i; k++) value -= root[k * n + i]! * root[k * n + j]!
      root[i * n + j] = value / root[i * n + i]!
      left -= root[i * n + j]! * root[i * n + j]!
    }
    if (!(left > least * given[j]!)) {
      for (let i = 0; i < j; i++) root[i * n + j] = 0
      continue
    }
    const pivot = Math.sqrt(left)
    root[j * n + j] = pivot
    inverse[j * n + j] = 1 / pivot
    for (let i = 0; i < j; i++) {
      let value = 0
      for (let k = i; k < j; k++) value -= inverse[i * n + k]! * root[k * n + j]!
      inverse[i * n + j] = value / pivot
    }
  }
  return inverse
}
