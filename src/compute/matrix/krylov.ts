import { allocateBuffers } from '../buffers.ts'
import { dropThreshold, keyOf } from '../../random.ts'
import type { Kernels, Matrix, Region } from '../kernels.ts'
import type { Lease } from '../lease.ts'
import { columnsOf, matrixOf, transposed } from './matrix.ts'
import { diagonalOf, inverseRoot, orthogonaliser } from './orthogonalise.ts'
import type { MatrixProducts } from './products.ts'

/** Vectors that a space grows by at a time; two registers' width of the products. */
export const KRYLOV_BLOCK = 16

/**
 * A space that holds the leading left singular vectors of a matrix Δ ever better as it grows, and
 * the matrix as seen from it. Both have `width` columns so far.
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
 * Opens the space spanned by ΔΩ, (ΔΔᵀ)ΔΩ, (ΔΔᵀ)²ΔΩ … for a block Ω of random signs (Musco and
 * Musco, NeurIPS 2015, algorithm 2). Every product with Δ serves twice, for the next block and for
 * ΔᵀQ, so it takes less work than subspace iteration and leaves a smaller error. Holds up to
 * `capacity` vectors, a multiple of `KRYLOV_BLOCK`, in regions of `lease`.
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
  const probe = matrixOf(lease.take(columns * KRYLOV_BLOCK * 4), columns, KRYLOV_BLOCK)
  const block = matrixOf(lease.take(rows * KRYLOV_BLOCK * 4), rows, KRYLOV_BLOCK)
  const orthogonalise = orthogonaliser(products, block, capacity, lease)
  drawSigns(kernels, probe.region, columns * KRYLOV_BLOCK)
  const sums = lease.take(KRYLOV_BLOCK ** 2 * 8)
  const inverse = matrixOf(lease.take(KRYLOV_BLOCK ** 2 * 4), KRYLOV_BLOCK, KRYLOV_BLOCK)
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
      const image = columnsOf(images, width, KRYLOV_BLOCK)
      await products.multiply(matrix, probe, block)
      await orthogonalise(columnsOf(basis, 0, width), added)
      await products.multiply(transposed(matrix), added, image)
      const gram = products.gram(transposed(image), sums)
      const squares = diagonalOf(gram, KRYLOV_BLOCK)
      for (const square of squares) energy += square
      // Orthonormal, the next probe spans the same: the weakest vectors count as much as the
      // strongest.
      inverse.region.f32.set(inverseRoot(gram, squares, LEAST_LEFT))
      await products.multiply(image, inverse, probe)
      width += KRYLOV_BLOCK
    },
  }
}

/** Share of a column's square beside the columns before it, below which it is f32's rounding. */
const LEAST_LEFT = 1e-12

/**
 * Random signs as f32; one test matrix for all, so that a factorisation depends on its matrix
 * alone.
 */
function drawSigns(kernels: Kernels, out: Region, count: number): void {
  using buffers = allocateBuffers(kernels, [Math.ceil(count / 8)])
  const [bits] = buffers.regions
  kernels.maskBits(bits, count, { key: TEST_MATRIX, from: 0, threshold: dropThreshold(0.5) })
  kernels.unpackSigns(bits, out, count, 1)
}

const TEST_MATRIX = keyOf('singular value decomposition', 'test matrix')
