import assert from 'node:assert/strict'
import { createLease } from '../../../src/compute/lease.ts'
import { matrixOf } from '../../../src/compute/matrix/matrix.ts'
import { createProducts } from '../../../src/compute/matrix/products.ts'
import { svdBytes, truncatedSvd } from '../../../src/compute/matrix/truncated-svd.ts'
import { openKernels } from '../../../src/compute/open-kernels.ts'
import { IncompatibleError } from '../../../src/errors.ts'
import { createRandom } from '../../../src/random.ts'
import { naiveSvd, withSpectrum } from './svd.ts'

/** Factors the matrix, checks what holds for every result, and gives left · right in f64. */
async function factor(
  values: ArrayLike<number>,
  rows: number,
  columns: number,
  { rank = Infinity, energy = 1 } = {},
) {
  const kernels = openKernels()
  const lease = createLease(kernels)
  const matrix = matrixOf(lease.take(rows * columns * 4), rows, columns)
  matrix.region.f32.set(Float64Array.from(values))
  const products = createProducts(kernels, lease)
  const before = kernels.allocated
  const { left, right, rank: found } = await truncatedSvd(products, matrix, { rank, energy }, lease)
  assert.ok(kernels.peak - before <= svdBytes(rows, columns, { rank, energy }) + 20 * 64)
  const [b, a] = [left, right].map(({ region, rows, columns }) =>
    region.f32.slice(0, rows * columns),
  ) as [Float32Array, Float32Array]
  await lease.release()
  assert.equal(kernels.allocated, 0)
  const product = new Float64Array(rows * columns)
  for (let i = 0; i < rows; i++) {
    for (let r = 0; r < found; r++) {
      for (let j = 0; j < columns; j++) {
        product[i * columns + j]! += b[i * found + r]! * a[r * columns + j]!
      }
    }
  }
  assert.ok(product.every(Number.isFinite))
  return { rank: found, left: b, right: a, product }
}

function norm(values: ArrayLike<number>, minus?: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += (values[i]! - (minus?.[i] ?? 0)) ** 2
  return Math.sqrt(sum)
}

function normals(count: number, name: string): Float32Array {
  const random = createRandom(name)
  return Float32Array.from({ length: count }, () => random.normal())
}

/** A product of two random factors whose columns shrink by `decay`. */
function graded(rows: number, columns: number, rank: number, decay: number): Float32Array {
  const [b, a] = [normals(rows * rank, 'left'), normals(rank * columns, 'right')]
  const out = new Float32Array(rows * columns)
  for (let r = 0; r < rank; r++) {
    for (let i = 0; i < rows; i++) {
      const factor = b[i * rank + r]! * decay ** r
      for (let j = 0; j < columns; j++) out[i * columns + j]! += factor * a[r * columns + j]!
    }
  }
  return out
}

describe('truncated SVD', () => {
  it('has the values of hand-computed examples', async () => {
    const diagonal = await factor([3, 0, 0, 1], 2, 2, { rank: 1 })
    assert.ok(norm(diagonal.product, [3, 0, 0, 0]) < 1e-6)
    const { product } = await factor([2, 1, 0, 1], 2, 2, { rank: 1 })
    assert.ok(norm(product, [1.89442719, 1.17082039, 0.4472136, 0.2763932]) < 1e-6)
    assert.ok(Math.abs(norm(product, [2, 1, 0, 1]) ** 2 - 0.76393202) < 1e-6)
  })

  for (const [rows, columns] of [
    [7, 5],
    [5, 7],
    [40, 40],
    [1, 300],
    [300, 1],
    [30, 200],
    [200, 30],
  ] as const) {
    it(`of ${rows} × ${columns} leaves out exactly the smallest singular values`, async () => {
      const values = normals(rows * columns, `${rows} ${columns}`)
      const naive = naiveSvd(values, rows, columns)
      for (const rank of [1, 3, 4].filter((r) => r <= Math.min(rows, columns))) {
        const { product, rank: found } = await factor(values, rows, columns, { rank })
        assert.equal(found, rank)
        assert.ok(norm(product, naive.truncated(rank)) < 2e-6 * norm(values))
        const tail = naive.values.slice(rank).reduce((sum, value) => sum + value ** 2, 0)
        assert.ok(Math.abs(norm(product, values) ** 2 - tail) < 1e-5 * norm(values) ** 2)
      }
    })
  }

  for (const [rows, columns] of [
    [200, 230],
    [230, 200],
    [90, 20],
  ] as const) {
    it(`gives a ${rows} × ${columns} matrix of rank 3 back, also at a higher rank`, async () => {
      const values = graded(rows, columns, 3, 0.5)
      for (const rank of [3, 5, 64]) {
        const { product } = await factor(values, rows, columns, { rank })
        assert.ok(
          norm(product, values) < 1e-5 * norm(values),
          `${norm(product, values) / norm(values)}`,
        )
      }
    })
  }

  it('comes within 1 % of the least error where the spectrum hardly falls', async () => {
    const spectrum = Array.from({ length: 288 }, (_, i) => 0.2 + (i < 100 ? (i + 1) ** -0.5 : 0))
    for (const [rows, columns] of [
      [288, 330],
      [330, 288],
    ] as const) {
      const values = withSpectrum(spectrum, rows, columns)
      for (const rank of [1, 20, 64]) {
        const { product } = await factor(values, rows, columns, { rank })
        const least = norm(spectrum.slice(rank))
        assert.ok(norm(product, values) < 1.01 * least, `${norm(product, values) / least}`)
      }
    }
  })

  it('takes no NaN and no length from zeros, spectra that fall fast, and tiny or huge numbers', async () => {
    for (const [rows, columns] of [
      [20, 30],
      [170, 180],
    ] as const) {
      const zero = await factor(new Float32Array(rows * columns), rows, columns, { rank: 4 })
      assert.equal(zero.rank, 0)
      const falling = graded(rows, columns, 20, 0.1)
      for (const scale of [1, 1e-30, 1e30]) {
        const values = falling.map((value) => value * scale)
        const { product } = await factor(values, rows, columns, { rank: 10 })
        assert.ok(
          norm(product, values) < 1e-5 * norm(values),
          `${norm(product, values) / norm(values)}`,
        )
      }
    }
  })

  it('keeps as few values as hold the energy', async () => {
    const spectrum = Array.from({ length: 160 }, (_, i) => 0.8 ** i)
    for (const [rows, columns] of [
      [100, 50],
      [170, 160],
    ] as const) {
      const values = withSpectrum(spectrum.slice(0, columns), rows, columns)
      const total = norm(values) ** 2
      for (const energy of [0, 0.5, 0.9, 0.99]) {
        let rank = 0
        for (let held = 0; held < energy * total; rank++) held += spectrum[rank]! ** 2
        const found = await factor(values, rows, columns, { energy })
        assert.equal(found.rank, rank)
        assert.ok(norm(found.product, values) ** 2 <= (1 - energy + 1e-6) * total)
        const least = await factor(values, rows, columns, { energy, rank: 2 })
        assert.equal(least.rank, Math.min(rank, 2))
      }
    }
  })

  it('finds the energy in a flat spectrum, which needs most of the values', async () => {
    const values = normals(140 * 150, 'flat')
    const { product, rank } = await factor(values, 140, 150, { energy: 0.95 })
    assert.ok(rank > 80 && rank < 140)
    assert.ok(norm(product, values) ** 2 <= 0.0501 * norm(values) ** 2)
  })

  it('has a positive largest element in each column of the left factor', async () => {
    for (const [rows, columns] of [
      [9, 30],
      [30, 9],
      [170, 180],
    ] as const) {
      const { left, rank } = await factor(graded(rows, columns, 8, 0.9), rows, columns, { rank: 4 })
      for (let i = 0; i < rank; i++) {
        const column = Array.from({ length: rows }, (_, row) => left[row * rank + i]!)
        assert.equal(Math.max(...column), Math.max(...column.map(Math.abs)))
      }
    }
  })

  it('refuses a matrix whose sums leave f32', async () => {
    const kernels = openKernels()
    const lease = createLease(kernels)
    const matrix = matrixOf(lease.take(400), 10, 10)
    matrix.region.f32.fill(3e38)
    const products = createProducts(kernels, lease)
    await assert.rejects(
      truncatedSvd(products, matrix, { rank: 1, energy: 1 }, lease),
      (error) => error instanceof IncompatibleError && error.id === 'E_VALUE_RANGE',
    )
  })
})
