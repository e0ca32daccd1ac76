import assert from 'node:assert/strict'
import type { Kernels, Matrix } from '../../src/compute/kernels.ts'
import { createLease, type Lease } from '../../src/compute/lease.ts'
import { columnsOf, matrixOf, transposed } from '../../src/compute/matrix/matrix.ts'
import { createProducts } from '../../src/compute/matrix/products.ts'
import type { Runtime } from '../../src/compute/onnxruntime.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createDeviceMemory, type DeviceMemory } from '../../src/graphs/device-memory.ts'
import { createDeviceProducts } from '../../src/graphs/matrix-products.ts'
import { createRandom } from '../../src/random.ts'
import { openTestRuntime } from '../support/test-device.ts'

describe('matrix products on a device', function () {
  this.timeout(60_000)
  let kernels: Kernels
  let runtime: Runtime
  let device: DeviceMemory
  let lease: Lease
  before(async () => {
    kernels = openKernels()
    runtime = await openTestRuntime(kernels)
    device = createDeviceMemory(runtime)
  })
  beforeEach(() => {
    lease = createLease(kernels)
  })
  afterEach(async () => {
    await lease.release()
    assert.equal(kernels.allocated, 0)
  })
  after(async () => {
    await device.close()
    await runtime.close()
  })

  function random(rows: number, columns: number): Matrix {
    const matrix = matrixOf(lease.take(rows * columns * 4), rows, columns)
    const source = createRandom('device products', rows, columns)
    for (let i = 0; i < rows * columns; i++) matrix.region.f32[i] = source.uniform() - 0.5
    return matrix
  }

  it('are those of the kernels up to rounding, for every form of the factors', async () => {
    for (const [rows, columns] of [
      [9, 20],
      [8, 8],
      [6, 1],
    ] as const) {
      const matrix = random(rows, columns)
      const exact = createProducts(kernels, lease)
      const products = createDeviceProducts(device, kernels, matrix, lease)
      for (const left of [matrix, transposed(matrix), random(rows, columns)]) {
        const inner = left.columns
        const rights = [transposed(random(5, inner)), random(inner, 0)]
        for (const right of [...rights, columnsOf(random(inner, 9), 2, 5)]) {
          const outs = [random(left.rows, 30), matrixOf(lease.take(left.rows * 120), left.rows, 30)]
          outs[1]!.region.f32.set(outs[0]!.region.f32)
          const [expected, actual] = outs.map((out) => columnsOf(out, 8, right.columns))
          await exact.multiply(left, right, expected!)
          await products.multiply(left, right, actual!)
          for (let i = 0; i < left.rows * 30; i++) {
            const difference = actual!.region.f32[i]! - expected!.region.f32[i]!
            assert.ok(Math.abs(difference) < 1e-5, `${difference}`)
          }
        }
      }
    }
  })
})
