import assert from 'node:assert/strict'
import { createLease } from '../../../src/compute/lease.ts'
import { matrixOf } from '../../../src/compute/matrix/matrix.ts'
import { createProducts } from '../../../src/compute/matrix/products.ts'
import { type Spectrum, spectrumOf } from '../../../src/compute/matrix/spectrum.ts'
import { openKernels } from '../../../src/compute/open-kernels.ts'
import { withSpectrum } from './svd.ts'

async function spectrum(
  numbers: ArrayLike<number>,
  rows: number,
  columns: number,
  values: number,
): Promise<Spectrum> {
  const kernels = openKernels()
  const lease = createLease(kernels)
  const matrix = matrixOf(lease.take(rows * columns * 4), rows, columns)
  matrix.region.f32.set(Float64Array.from(numbers))
  const found = await spectrumOf(createProducts(kernels, lease), matrix, { values })
  await lease.release()
  assert.equal(kernels.allocated, 0)
  return found
}

function close(actual: number, expected: number): void {
  assert.ok(
    Math.abs(actual - expected) <= 1e-6 * Math.abs(expected),
    `${actual} is not ${expected}`,
  )
}

describe('spectrum', () => {
  it('of diag(3, 1) has these values', async () => {
    const { values, energy, norm, stableRank, effectiveRank } = await spectrum(
      [3, 0, 0, 1],
      2,
      2,
      8,
    )
    assert.equal(values.length, 2)
    close(values[0]!, 3)
    close(values[1]!, 1)
    close(energy[0]!, 0.9)
    close(energy[1]!, 1)
    close(norm, Math.sqrt(10))
    close(stableRank, 10 / 9)
    close(effectiveRank, 100 / 82)
  })

  it('counts equal singular values as so many directions', async () => {
    const identity = Float32Array.from({ length: 64 }, (_, k) => Number(k % 9 === 0))
    const { stableRank, effectiveRank } = await spectrum(identity, 8, 8, 3)
    close(stableRank, 8)
    close(effectiveRank, 8)
  })

  it('of zeros is zeros', async () => {
    const found = await spectrum(new Float32Array(12), 3, 4, 2)
    assert.deepEqual(found, {
      values: [0, 0],
      energy: [0, 0],
      norm: 0,
      stableRank: 0,
      effectiveRank: 0,
    })
  })

  it('has the leading values of a matrix that is too large to look at whole', async () => {
    const expected = Array.from({ length: 200 }, (_, i) => 30 / (i + 1))
    const matrix = withSpectrum(expected, 200, 220)
    const { values, effectiveRank } = await spectrum(matrix, 200, 220, 6)
    assert.equal(values.length, 6)
    for (const [i, value] of values.entries()) close(value, expected[i]!)
    const [squares, fourths] = [2, 4].map((power) =>
      expected.reduce((sum, s) => sum + s ** power, 0),
    )
    assert.ok(effectiveRank <= (1 + 1e-6) * (squares! ** 2 / fourths!))
  })
})
