import { type Matrix, PACK_BYTES } from '../kernels.ts'
import { createLease, type Lease } from '../lease.ts'
import {
  decompose,
  type DecomposeOptions,
  type Decomposition,
  decompositionBytes,
  type Truncation,
} from './decompose.ts'
import { matrixOf, transposed } from './matrix.ts'
import type { MatrixProducts } from './products.ts'

export type { Truncation } from './decompose.ts'

/** Δ ≈ left · right. */
export interface Factors {
  readonly rank: number
  /** U√Σ, rows × rank; in each column the largest magnitude is positive. */
  readonly left: Matrix
  /** √ΣVᵀ, rank × columns */
  readonly right: Matrix
}

/**
 * The truncated singular value decomposition of a matrix that is contiguous row by row, in regions
 * of `lease`. Rank 0 for a matrix of zeros. With the products of `createProducts` the same bytes on
 * every machine. Throws as `decompose` does.
 */
export async function truncatedSvd(
  products: MatrixProducts,
  matrix: Matrix,
  truncation: Truncation,
  lease: Lease,
  options: DecomposeOptions = {},
): Promise<Factors> {
  const { rows, columns } = matrix
  const inner = createLease(products.kernels)
  const spectral = createLease(products.kernels)
  const take = (from: Lease, height: number, width: number): Matrix =>
    matrixOf(from.take(height * width * 4), height, width)
  try {
    const found = await decompose(products, matrix, truncation, spectral, options)
    const { basis, images, tall } = found
    const rank = rankFor(found, truncation)
    const divided = take(inner, images.columns, rank)
    fillVectors(found, (value) => 1 / Math.sqrt(value), divided)
    if (tall) {
      const right = take(lease, rank, columns)
      fillVectors(found, Math.sqrt, transposed(right))
      await spectral.release()
      const left = take(lease, rows, rank)
      await products.multiply(images, divided, left)
      return withSigns({ rank, left, right })
    }
    const left = take(lease, rows, rank)
    if (basis === undefined) {
      fillVectors(found, Math.sqrt, left)
      await spectral.release()
    } else {
      const scaled = take(inner, images.columns, rank)
      fillVectors(found, Math.sqrt, scaled)
      await products.multiply(basis, scaled, left)
    }
    const right = take(lease, rank, columns)
    await products.multiply(transposed(divided), transposed(images), right)
    return withSigns({ rank, left, right })
  } finally {
    await spectral.release()
    await inner.release()
  }
}

/**
 * The most bytes that `truncatedSvd` takes of the kernels' memory, with its factors and products.
 */
export function svdBytes(rows: number, columns: number, truncation: Truncation): number {
  const size = Math.min(rows, columns)
  const rank = Math.min(truncation.rank, size)
  const vectors = rank * 4 * (rows + columns + 2 * size)
  return PACK_BYTES + vectors + decompositionBytes(rows, columns, truncation)
}

function rankFor({ values, energy }: Decomposition, truncation: Truncation): number {
  const most = Math.min(truncation.rank, values.length)
  // Rounding may make the values' sum reach ‖Δ‖² before the last of them.
  const wanted = truncation.energy < 1 ? truncation.energy * energy : Infinity
  let [rank, held] = [0, 0]
  while (rank < most && values[rank]! > 0 && held < wanted) held += values[rank++]! ** 2
  return rank
}

/** Column i of `out` becomes vector i times what `scale` gives for its singular value. */
function fillVectors(found: Decomposition, scale: (value: number) => number, out: Matrix): void {
  const { vectors, order, values } = found
  const { at, rows, columns, rowStep, columnStep, region } = out
  for (let i = 0; i < columns; i++) {
    const factor = scale(values[i]!)
    const from = order[i]! * rows
    for (let k = 0; k < rows; k++) {
      region.f32[at + k * rowStep + i * columnStep] = vectors[from + k]! * factor
    }
  }
}

/**
 * A pair of vectors is known up to a common sign: the first of the largest magnitudes is positive.
 */
function withSigns(factors: Factors): Factors {
  const { rank, left, right } = factors
  const [u, v] = [left.region.f32, right.region.f32]
  for (let i = 0; i < rank; i++) {
    let largest = 0
    for (let at = i; at < left.rows * rank; at += rank) {
      if (Math.abs(u[at]!) > Math.abs(largest)) largest = u[at]!
    }
    if (largest >= 0) continue
    for (let at = i; at < left.rows * rank; at += rank) u[at]! *= -1
    for (let at = i * right.columns; at < (i + 1) * right.columns; at++) v[at]! *= -1
  }
  return factors
}
