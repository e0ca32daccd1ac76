import assert from 'node:assert/strict'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { DeviceMemory } from '../../src/graphs/device-memory.ts'
import type { Value } from '../../src/graphs/primitive.ts'
import { type LayerPass, runLayerPass } from '../../src/evaluation/layer-pass.ts'

describe('runLayerPass', () => {
  it('gives all memory back when neither a graph nor a release works any more', async () => {
    const kernels = openKernels()
    const value = (name: string): Value => ({ name, type: 'float32', shape: [1000] })
    const weights = [value('w'), value('v')]
    const program = { key: 'p', weights, inputs: [value('tokens')], output: value('out') }
    const part = { program, weights: new Map(weights.map(({ name }) => [name, name])) }
    const dead = () => Promise.reject(new Error("onnxruntime's thread ended"))
    const device: Pick<DeviceMemory, 'upload'> = {
      upload: async ({ type, dims }) => ({ held: 1, type, dims, release: dead }),
    }
    const pass = {
      kernels,
      device,
      sessions: { get: async () => ({ run: dead }) },
      variants: [{ load: async () => {} }],
      shards: [],
      batches: [{ parts: [part], rows: [{ item: { fill() {} } }], capacity: 1 }],
      beforeRun() {},
    }
    await assert.rejects(runLayerPass(pass as unknown as LayerPass), /thread ended/)
    assert.equal(kernels.allocated, 0)
  })
})
