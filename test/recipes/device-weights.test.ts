import assert from 'node:assert/strict'
import { cidOfValue } from '../../src/canonical.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import type { Runtime } from '../../src/compute/onnxruntime.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createDeviceMemory, type DeviceMemory } from '../../src/graphs/device-memory.ts'
import { createDeviceScope } from '../../src/graphs/device-scope.ts'
import { loadOperators } from '../../src/operators/index.ts'
import { createRandom } from '../../src/random.ts'
import { type DraftNode, recipeOf } from '../../src/recipes/canonical-recipe.ts'
import { openVariant } from '../../src/recipes/materialise.ts'
import { planRecipe } from '../../src/recipes/plan/plan.ts'
import { memoryCheckpoint } from '../checkpoints/memory.ts'
import { bits } from '../support/run-operator.ts'
import { openTestRuntime } from '../support/test-device.ts'
import { memoryDelta } from './memory-delta.ts'

const entries = { operators: await loadOperators(), codecs: await loadCodecs() }
const name = 'layers.0.weight'
const shape = [13, 31]
const elements = 13 * 31

describe('weights made on a device', function () {
  this.timeout(60_000)
  const kernels = openKernels()
  const base = model('base', 0)
  const baseId = cidOfValue({ test: 'base' })
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

  /** Values of `root`'s weights by the kernels and by the device, and how often it uploaded. */
  async function both(
    post: ReturnType<typeof model>,
    codec: string,
    rootOf: (leaf: DraftNode) => DraftNode,
  ) {
    const { id, source } = await memoryDelta(
      base,
      post,
      { base: baseId, codec },
      { ...entries, kernels },
    )
    const plan = await planRecipe(
      recipeOf({ base: baseId, root: rootOf({ delta: id }) }, entries),
      { delta: async () => source, weights: async () => base },
      { ...entries, kernels },
    )
    let uploaded = 0
    const scope = createDeviceScope({
      ...device,
      upload(view) {
        uploaded += view.dims.reduce((product, length) => product * length, 1)
        return device.upload(view)
      },
    })
    const variant = await openVariant(plan)
    const region = kernels.allocate(4 * elements)
    await variant.load(name, region)
    const expected = region.f32.slice(0, elements)
    const made = []
    for (let time = 0; time < 2; time++) {
      const tensor = await variant.loadOn!(scope, name)
      assert.ok(tensor !== undefined)
      await device.download(tensor, region)
      await tensor.release()
      made.push(region.f32.slice(0, elements))
    }
    await scope.forget()
    kernels.release(region)
    assert.deepEqual(bits(made[0]!), bits(expected))
    assert.deepEqual(bits(made[1]!), bits(expected))
    return uploaded
  }

  it('take signs and a scale apart there, and bring an eighth of the delta', async () => {
    const bytes = Math.ceil(elements / 8)
    assert.equal(await both(model('post', 0), 'bitdelta', (leaf) => leaf), elements + bytes)
    // Where some elements did not change, a second bitmap says which.
    assert.equal(await both(model('post', 5), 'bitdelta', (leaf) => leaf), elements + 2 * bytes)
  })

  it('share base and leaves, whatever is made of them', async () => {
    const scaled = (leaf: DraftNode): DraftNode => ({
      operator: 'scale',
      parameters: { alpha: 0.5 },
      inputs: [{ operator: 'trim', parameters: { density: 0.5 }, inputs: [leaf] }],
    })
    assert.equal(await both(model('post', 0), 'raw', scaled), 2 * elements)
  })

  it('upload what only the CPU computes', async () => {
    const root = (leaf: DraftNode): DraftNode => ({
      operator: 'scale',
      parameters: { alpha: 0.5 },
      inputs: [{ operator: 'through', parameters: { codec: 'bitdelta' }, inputs: [leaf] }],
    })
    assert.equal(await both(model('post', 0), 'raw', root), 3 * elements)
  })

  it('take products of matrices from there, within 1e-5 of the kernels', async () => {
    const [rows, columns, rank] = [170, 180, 4]
    const random = createRandom('device weights', 'low-rank')
    const vectors = Float32Array.from({ length: (rows + columns) * rank }, () => random.normal())
    const post = Float32Array.from({ length: rows * columns }, (_, at) => {
      const [row, column] = [Math.floor(at / columns) * rank, (rows + (at % columns)) * rank]
      let sum = random.normal() / 100
      for (let r = 0; r < rank; r++) sum += vectors[row + r]! * vectors[column + r]! * 2 ** -r
      return sum / 1000
    })
    const models = [new Float32Array(post.length), post].map((values) =>
      memoryCheckpoint({ [name]: ['F32', [rows, columns], values] }),
    )
    const ids = [cidOfValue({ test: 0 }), cidOfValue({ test: 1 })] as const
    const root = { operator: 'low-rank', parameters: { rank }, inputs: [{ weights: ids[1] }] }
    const plan = await planRecipe(
      recipeOf({ base: ids[0], root }, entries),
      {
        delta: () => Promise.reject(new Error('there is none')),
        weights: async (id) => models[id.equals(ids[0]) ? 0 : 1]!,
      },
      { ...entries, kernels },
    )
    let [matrices, products] = [0, 0]
    const scope = createDeviceScope({
      ...device,
      upload(view) {
        if (view.dims[0] === rows && view.dims[1] === columns) matrices++
        return device.upload(view)
      },
      compute(inputs, dims, emit) {
        if (inputs.length === 2 && inputs[0]!.dims[0] !== inputs[1]!.dims[0]) products++
        return device.compute(inputs, dims, emit)
      },
    })
    const variant = await openVariant(plan)
    const [expected, actual] = [
      kernels.allocate(4 * post.length),
      kernels.allocate(4 * post.length),
    ]
    await variant.load(name, expected)
    const tensor = await variant.loadOn!(scope, name)
    await device.download(tensor!, actual)
    await tensor!.release()
    await scope.forget()
    let [difference, norm] = [0, 0]
    for (let i = 0; i < post.length; i++) {
      difference += (actual.f32[i]! - expected.f32[i]!) ** 2
      norm += expected.f32[i]! ** 2
    }
    kernels.release(expected)
    kernels.release(actual)
    assert.ok(Math.sqrt(difference / norm) < 1e-5, `${Math.sqrt(difference / norm)}`)
    assert.ok(products >= 5, `${products} products`)
    assert.equal(matrices, 3, 'the base, the delta and its nearest of rank 4')
  })
})

/** Every `unchanged`-th element is the base's. */
function model(seed: string, unchanged: number) {
  const { word } = createRandom('device weights', 'base')
  const moved = createRandom('device weights', seed)
  const values = Float32Array.from({ length: elements }, (_, i) => {
    const start = Math.fround((word() % 64) / 64)
    return seed === 'base' || (unchanged > 0 && i % unchanged === 0)
      ? start
      : start + moved.normal() / 64
  })
  return memoryCheckpoint({ [name]: ['F32', shape, values] })
}
