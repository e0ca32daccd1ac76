import assert from 'node:assert/strict'
import type { Runtime } from '../../src/compute/onnxruntime.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createDeviceMemory, type DeviceMemory } from '../../src/graphs/device-memory.ts'
import { createRandom } from '../../src/random.ts'
import { elementsOf } from '../../src/tensors/tensor.ts'
import { openTestRuntime } from '../support/test-device.ts'

describe('device memory', function () {
  this.timeout(60_000)
  const kernels = openKernels()
  let runtime: Runtime
  let device: DeviceMemory
  before(async () => {
    runtime = await openTestRuntime(kernels)
    device = createDeviceMemory(runtime)
  })
  after(async () => {
    await device.close()
    await runtime.close()
    assert.equal(kernels.allocated, 0)
  })

  async function upload(values: Float32Array | Int32Array, dims: readonly number[]) {
    const region = kernels.allocate(values.byteLength)
    region.u8.set(new Uint8Array(values.buffer))
    const type = values instanceof Int32Array ? 'int32' : 'float32'
    const tensor = await device.upload({ region, type, dims })
    region.u8.fill(0xff) // what is on the device is a copy
    kernels.release(region)
    return tensor
  }

  async function download(tensor: Awaited<ReturnType<typeof upload>>): Promise<Float32Array> {
    const count = elementsOf(tensor.dims)
    const region = kernels.allocate(4 * count)
    await device.download(tensor, region)
    const values = region.f32.slice(0, count)
    kernels.release(region)
    await tensor.release()
    return values
  }

  it('brings back every bit: ±0, denormals, infinities, NaN', async () => {
    const values = Float32Array.of(0, -0, 1e-45, -1e-39, Infinity, -Infinity, NaN, 3.4e38, -1, 7, 9)
    const back = await download(await upload(values, [values.length]))
    assert.deepEqual(new Uint32Array(back.buffer), new Uint32Array(values.buffer))
  })

  it('brings back int32', async () => {
    const values = Int32Array.of(0, -1, 2 ** 31 - 1, -(2 ** 31), 5, 6)
    const back = await download(await upload(values, [2, 3]))
    assert.deepEqual(new Int32Array(back.buffer), values)
  })

  it('computes with what is there, and leaves its inputs', async () => {
    const [a, b] = [
      await upload(Float32Array.of(1, 2, 3), [3]),
      await upload(Float32Array.of(10, 20, 30), [3]),
    ]
    const sum = await device.compute([a, b], [3], (emitter, names) => emitter.node('Add', names))
    const twice = await device.compute([sum, sum], [3], (emitter, names) =>
      emitter.node('Add', names),
    )
    assert.deepEqual([...(await download(twice))], [22, 44, 66])
    assert.deepEqual([...(await download(sum))], [11, 22, 33])
    assert.deepEqual([...(await download(a))], [1, 2, 3])
    await b.release()
  })

  it('multiplies matrices within 1e-5 of float64, of odd sizes too', async () => {
    for (const [m, k, n] of [
      [1, 1, 1],
      [33, 65, 17],
      [64, 256, 96],
    ] as const) {
      const [x, y] = [random('x', m * k), random('y', k * n)]
      const [a, b] = [await upload(x, [m, k]), await upload(y, [k, n])]
      const product = await device.product(a, b)
      assert.deepEqual(product.dims, [m, n])
      const actual = await download(product)
      let [error, norm] = [0, 0]
      for (let row = 0; row < m; row++) {
        for (let column = 0; column < n; column++) {
          let exact = 0
          for (let i = 0; i < k; i++) exact += x[row * k + i]! * y[i * n + column]!
          error += (actual[row * n + column]! - exact) ** 2
          norm += exact ** 2
        }
      }
      assert.ok(error <= 1e-10 * norm, `${m}×${k}×${n}: ${Math.sqrt(error / norm)}`)
      await a.release()
      await b.release()
    }
  })

  it('refuses matrices that do not fit together', async () => {
    const a = await upload(new Float32Array(6), [2, 3])
    assert.throws(() => device.product(a, a), { id: 'E_SHAPE' })
    await a.release()
  })

  it('refuses a tensor that was released', async () => {
    const tensor = await upload(new Float32Array(2), [2])
    await tensor.release()
    await tensor.release()
    const region = kernels.allocate(8)
    await assert.rejects(device.download(tensor, region), { id: 'E_ONNXRUNTIME' })
    kernels.release(region)
  })
})

function random(name: string, count: number): Float32Array {
  const { normal } = createRandom('device memory', name)
  return Float32Array.from({ length: count }, normal)
}
