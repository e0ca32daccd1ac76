import assert from 'node:assert/strict'
import type { Matrix } from '../../src/compute/kernels.ts'
import { createLease } from '../../src/compute/lease.ts'
import { columnsOf, matrixOf, transposed } from '../../src/compute/matrix/matrix.ts'
import { createProducts } from '../../src/compute/matrix/products.ts'
import { spectrumOf } from '../../src/compute/matrix/spectrum.ts'
import { openRuntime } from '../../src/compute/onnxruntime.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRuntimeProducts } from '../../src/graphs/matrix-products.ts'
import { createRandom } from '../../src/random.ts'

describe('matrix products by onnxruntime', () => {
  it('are those of the kernels up to rounding, for every form of the factors', async () => {
    const kernels = openKernels()
    await using runtime = await openRuntime(kernels)
    const lease = createLease(kernels)
    const [exact, products] = [
      createProducts(kernels, lease),
      createRuntimeProducts(runtime, kernels, lease),
    ]
    const random = (rows: number, columns: number): Matrix => {
      const matrix = matrixOf(lease.take(rows * columns * 4), rows, columns)
      const source = createRandom('runtime products', rows, columns)
      for (let i = 0; i < rows * columns; i++) matrix.region.f32[i] = source.uniform() - 0.5
      return matrix
    }
    const lefts = [random(9, 70), transposed(random(70, 9)), columnsOf(random(9, 80), 3, 70)]
    const rights = [random(70, 12), transposed(random(12, 70))]
    const [expected, actual] = [random(9, 12), random(9, 12)]
    for (const left of lefts) {
      for (const right of rights) {
        await exact.multiply(left, right, expected)
        await products.multiply(left, right, actual)
        for (let i = 0; i < 9 * 12; i++) {
          assert.ok(Math.abs(actual.region.f32[i]! - expected.region.f32[i]!) < 1e-5)
        }
      }
    }
    const matrix = random(170, 160)
    const [ours, theirs] = await Promise.all(
      [exact, products].map((each) => spectrumOf(each, matrix, { values: 5 })),
    )
    for (const [i, value] of ours!.values.entries()) {
      assert.ok(Math.abs(theirs!.values[i]! - value) < 1e-5 * value)
    }
    await lease.release()
    assert.equal(kernels.allocated, 0)
  })
})
