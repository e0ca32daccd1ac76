import { IncompatibleError } from '../../errors.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { giveWay } from '../give-way.ts'
import type { Kernels, Matrix } from '../kernels.ts'
import { createLease, type Lease } from '../lease.ts'
import { sliceRegion } from '../slice-region.ts'
import { KRYLOV_BLOCK, openKrylov } from './krylov.ts'
import { transposed } from './matrix.ts'
import type { MatrixProducts } from './products.ts'
import { eigenBytes, symmetricEigen } from './symmetric-eigen.ts'

/** How many singular values are kept: as few as hold the energy, and at most `rank`. */
export interface Truncation {
  readonly rank: number
  /** Share of ‖Δ‖² in [0, 1]; 1 asks for all values that are not 0. */
  readonly energy: number
}

export interface DecomposeOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * What is known of a matrix Δ: Δ ≈ basis · imagesᵀ, or imagesᵀ itself without a basis, or `images`
 * itself when it is `tall`; and the eigenvectors of imagesᵀ · images.
 */
export interface Decomposition {
  readonly basis: Matrix | undefined
  readonly images: Matrix
  readonly tall: boolean
  /** Singular values, the largest first; what is below the noise of f32 is 0. */
  readonly values: Float64Array
  /** The vector of value i is row `order[i]` of these, each as long as `images` has columns. */
  readonly vectors: Float64Array
  readonly order: readonly number[]
  /** ‖Δ‖² */
  readonly energy: number
}

/** Up to this many rows or columns all singular values are found, exactly to f32. */
const EXACT_SIZE = 128

/**
 * Vectors that a space has beyond the rank. With these the error ‖Δ − left · right‖ is within 1 %
 * of the least at rank 64 of what fine-tunes look like, where the spectrum is nearly flat; with 48
 * within 2 %.
 */
const OVERSAMPLING = 64

/** Singular values below this share of the largest are rounding noise of f32. */
const NOISE = 2 ** -24

/** Above this a sum of the matrix times signs might leave f32. */
const MAX_SUM = 2 ** 127

/**
 * The leading singular values and vectors of a matrix that is contiguous row by row: all of them
 * where it is small or about half are asked for, which takes time like the cube of its shorter
 * side, else as many as a Krylov space gives. Only `products` and + − × ÷ √ in f64. Gives way to
 * other work of the process between products and within the rest. Throws the signal's reason when
 * it fires, and `IncompatibleError` `E_VALUE_RANGE` when sums of the matrix would leave f32.
 */
export async function decompose(
  products: MatrixProducts,
  matrix: Matrix,
  truncation: Truncation,
  lease: Lease,
  { signal }: DecomposeOptions = {},
): Promise<Decomposition> {
  const energy = energyOf(products.kernels, matrix)
  const seen =
    (await explore(products, matrix, truncation, energy, lease, signal)) ?? asItIs(matrix)
  const { images } = seen
  const region = lease.take(images.columns ** 2 * 8)
  const vectors = products.gram(transposed(images), region)
  const squares = await symmetricEigen(products.kernels, region, images.columns, { signal })
  const order = [...squares.keys()].sort((a, b) => squares[b]! - squares[a]! || a - b)
  const values = Float64Array.from(order, (i) => Math.sqrt(Math.max(0, squares[i]!)))
  const noise = NOISE * (values[0] ?? 0)
  return { ...seen, values: values.map((v) => (v > noise ? v : 0)), vectors, order, energy }
}

/** The most bytes of the kernels' memory that `decompose` takes, without those of its products. */
export function decompositionBytes(rows: number, columns: number, truncation: Truncation): number {
  const width = capacityOf(rows, columns, truncation)
  const size = Math.min(rows, columns)
  const exact = size ** 2 * 8 + eigenBytes(size)
  if (width === 0) return exact
  const vectors = (rows + columns) * (width + KRYLOV_BLOCK) + (rows + width) * KRYLOV_BLOCK
  const space =
    vectors * 4 + KRYLOV_BLOCK ** 2 * 20 + columns * 2 + width ** 2 * 8 + eigenBytes(width)
  return mayFail(size, width, truncation) ? Math.max(space, exact) : space
}

type Seen = Pick<Decomposition, 'basis' | 'images' | 'tall'>

function asItIs(matrix: Matrix): Seen {
  const tall = matrix.rows > matrix.columns
  return { basis: undefined, images: tall ? matrix : transposed(matrix), tall }
}

/** A Krylov space that suffices, or `undefined` when the whole matrix has to be looked at. */
async function explore(
  products: MatrixProducts,
  matrix: Matrix,
  truncation: Truncation,
  energy: number,
  lease: Lease,
  signal: AbortSignal | undefined,
): Promise<Seen | undefined> {
  const { rows, columns } = matrix
  const capacity = capacityOf(rows, columns, truncation)
  if (capacity === 0) return undefined
  const inner = createLease(products.kernels)
  lease.defer(() => inner.release())
  const space = openKrylov(products, matrix, capacity, inner)
  const wanted = truncation.energy * energy
  let enough = truncation.energy < 1 ? Infinity : capacity
  while (space.width < Math.min(enough, capacity)) {
    await space.grow()
    await giveWay(signal)
    if (space.energy >= wanted) enough = Math.min(enough, space.width + OVERSAMPLING)
  }
  const failed = space.energy < wanted && mayFail(Math.min(rows, columns), capacity, truncation)
  if (failed) await inner.release()
  return failed ? undefined : { basis: space.basis, images: space.images, tall: false }
}

/** How many vectors a space may need; 0 where the whole matrix is no more work. */
function capacityOf(rows: number, columns: number, { rank, energy }: Truncation): number {
  const size = Math.min(rows, columns)
  const room = Math.floor(size / 2 / KRYLOV_BLOCK) * KRYLOV_BLOCK
  const wanted = Math.ceil((Math.min(rank, size) + OVERSAMPLING) / KRYLOV_BLOCK) * KRYLOV_BLOCK
  if (size <= EXACT_SIZE) return 0
  return wanted <= room ? wanted : energy < 1 ? room : 0
}

/** Whether a full space may hold less energy than is asked for, although the rank allows more. */
function mayFail(size: number, capacity: number, { rank, energy }: Truncation): boolean {
  return energy < 1 && Math.min(rank, size) + OVERSAMPLING > capacity
}

function energyOf(kernels: Kernels, { region, rows, columns }: Matrix): number {
  const elements = rows * columns
  let sum = 0
  for (let at = 0; at < elements; at += BLOCK_ELEMENTS) {
    const count = Math.min(BLOCK_ELEMENTS, elements - at)
    sum += kernels.sumSquares(sliceRegion(region, at * 4, count * 4), count)
  }
  const largest = Math.sqrt(sum * Math.max(rows, columns))
  if (largest < MAX_SUM) return sum
  throw new IncompatibleError('E_VALUE_RANGE', 'the matrix is too large for a factorisation', {
    expected: `a norm whose product with the root of its longer side is below ${MAX_SUM}`,
    actual: Math.sqrt(sum),
    fix: 'leave this tensor out of the scope',
  })
}
