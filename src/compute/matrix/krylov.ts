import { dropThreshold, keyOf } from '../../random.ts'
import type { Kernels, Matrix, Region } from '../kernels.ts'
import type { Lease } from '../lease.ts'
import { columnsOf, matrixOf, transposed } from './matrix.ts'
import { orthogonaliser } from './orthogonalise.ts'
import type { MatrixProducts } from './products.ts'

/** Vectors that a space grows by at a time; two registers' width of the products. */
export const KRYLOV_BLOCK = 16

/**
 * A space that holds the leading left singular vectors of a matrix Δ ever better as it grows, and the
 * matrix as seen from it. Both have `width` columns so far.
 */
export interface KrylovSpace {
  readonly width: number
  /** Q: orthonormal columns, some of them 0 once nothing is left to find. */
  readonly basis: Matrix
  /** ΔᵀQ */
  readonly images: Matrix
  /** ‖ΔᵀQ‖², the share of ‖Δ‖² that the space has caught. */
  readonly energy: number
  /** Adds a block of vectors. */
  grow(): Promise<void>
}

/**
 * Opens the space spanned by ΔΩ, (ΔΔᵀ)ΔΩ, (ΔΔᵀ)²ΔΩ … for a block Ω of random signs (Musco and Musco,
 * NeurIPS 2015, algorithm 2). Every product with Δ serves twice, for the next block and for ΔᵀQ, so a
 * rank takes about half the work of subspace iteration at a smaller error. Holds up to `capacity`
 * vectors, a multiple of `KRYLOV_BLOCK`, in regions of `lease`.
 */
export function openKrylov(
  products: MatrixProducts,
  matrix: Matrix,
  capacity: number,
  lease: Lease,
): KrylovSpace {
  const { kernels } = products
  const { rows, columns } = matrix
  const basis = matrixOf(lease.take(rows * capacity * 4), rows, capacity)
  const images = matrixOf(lease.take(columns * capacity * 4), columns, capacity)
  const signs = lease.take(columns * KRYLOV_BLOCK * 4)
  const block = matrixOf(lease.take(rows * KRYLOV_BLOCK * 4), rows, KRYLOV_BLOCK)
  const orthogonalise = orthogonaliser(products, block, capacity, lease)
  drawSigns(kernels, signs, columns * KRYLOV_BLOCK)
  let newest = matrixOf(signs, columns, KRYLOV_BLOCK)
  const sums = lease.take(KRYLOV_BLOCK ** 2 * 8)
  let width = 0
  let energy = 0

  return {
    get width() {
      return width
    },
    get basis() {
      return columnsOf(basis, 0, width)
    },
    get images() {
      return columnsOf(images, 0, width)
    },
    get energy() {
      return energy
    },
    async grow() {
      const added = columnsOf(basis, width, KRYLOV_BLOCK)
      await products.multiply(matrix, newest, block)
      await orthogonalise(columnsOf(basis, 0, width), added)
      newest = columnsOf(images, width, KRYLOV_BLOCK)
      await products.multiply(transposed(matrix), added, newest)
      const squares = products.gram(transposed(newest), sums)
      for (let i = 0; i < squares.length; i += KRYLOV_BLOCK + 1) energy += squares[i]!
      width += KRYLOV_BLOCK
    },
  }
}

/** Random signs as f32; one test matrix for all, so that a factorisation depends on its matrix alone. */
function drawSigns(kernels: Kernels, out: Region, count: number): void {
  const bits = kernels.allocate(Math.ceil(count / 8))
  kernels.maskBits(bits, count, { key: TEST_MATRIX, from: 0, threshold: dropThreshold(0.5) })
  kernels.unpackSigns(bits, out, count, 1)
  kernels.release(bits)
}

const TEST_MATRIX = keyOf('singular value decomposition', 'test matrix')
