import assert from 'node:assert/strict'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRandom } from '../../src/random.ts'
import { place } from './sample-floats.ts'

describe('kernels: sums of one block', () => {
  const kernels = openKernels()
  const random = createRandom('sums')
  const floats = () => Float32Array.from({ length: 1003 }, () => random.normal())
  const [a, b] = [floats(), floats()]
  const [x, y] = [place(kernels, a), place(kernels, b)]

  for (const count of [0, 1, 3, 4, 5, 1000, 1003]) {
    it(`are those of f64 for ${count} elements`, () => {
      const values = [...a.subarray(0, count)]
      const sum = (terms: number[]) => terms.reduce((total, term) => total + term, 0)
      close(kernels.sum(x, count), sum(values), sum(values.map((value) => Math.abs(value))))
      close(kernels.squaredDeviations(x, count, 0.25), sum(values.map((v) => (v - 0.25) ** 2)))
      close(kernels.squaredDistance(x, y, count), sum(values.map((v, i) => (v - b[i]!) ** 2)))
    })
  }

  it('are 0 for squares between equal tensors and about their own value', () => {
    assert.equal(kernels.squaredDistance(x, x, 1003), 0)
    assert.equal(kernels.squaredDeviations(place(kernels, a.subarray(0, 1)), 1, a[0]!), 0)
  })
})

function close(actual: number, expected: number, size = expected): void {
  assert.ok(Math.abs(actual - expected) <= 1e-14 * size, `${actual}, expected ${expected}`)
}
