import assert from 'node:assert/strict'
import { loadCodecs } from '../../src/codecs/index.ts'
import { encodeEdited } from '../../src/codecs/manifest/encode-edited.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { runOutOfMemory } from '../support/failing-kernels.ts'
import { gaussian } from './gaussian.ts'
import { bytesOfFloats, deltaTensor, type TestTensor } from './memory-tensor.ts'

const codecs = await loadCodecs()

describe('encodeEdited', () => {
  const kernels = openKernels()
  const context = { kernels, codecs }
  const elements = 200_000
  const plain = testTensor(gaussian(elements, 1))
  const edited = testTensor(plain.delta.map((value) => 0.5 * value))
  const none = async (): Promise<void> => {}

  afterEach('gives all memory back', () => assert.equal(kernels.allocated, 0))

  for (const codec of ['raw', 'bitdelta']) {
    it(`measures what an edit and ${codec} change together`, async () => {
      const parts = {
        tensor: deltaTensor(kernels, edited, 1),
        plain: deltaTensor(kernels, plain, 1),
        codec: { codec, parameters: {} },
      }
      const { stored, change } = await encodeEdited(parts, none, context)
      const mean = edited.delta.reduce((sum, value) => sum + Math.abs(value), 0) / elements
      const expected = plain.delta.reduce((sum, value) => {
        const kept = codec === 'raw' ? 0.5 * value : Math.sign(value) * mean
        return sum + (kept - value) ** 2
      }, 0)
      assert.equal(stored.codec, codec)
      assert.ok(Math.abs(change.error / expected - 1) < 1e-6, `${change.error}, not ${expected}`)
      const norm = plain.delta.reduce((sum, value) => sum + value ** 2, 0)
      assert.ok(Math.abs(change.norm / norm - 1) < 1e-9)
      await runOutOfMemory(kernels, (full) => encodeEdited(parts, none, { codecs, kernels: full }))
    })
  }

  it('refuses a delta before the edit that ends early', async () => {
    const short = { ...plain, spec: { ...plain.spec, shape: [elements / 2] } }
    const parts = {
      tensor: deltaTensor(kernels, edited, 1),
      plain: deltaTensor(kernels, short, 1),
      codec: { codec: 'bitdelta', parameters: {} },
    }
    await assert.rejects(encodeEdited(parts, none, context), RangeError)
  })

  function testTensor(delta: Float32Array): TestTensor {
    const post = bytesOfFloats(delta)
    const spec = { name: 'layers.0.weight', dtype: 'F32', shape: [elements] } as const
    return { spec, post, delta, base: new Uint8Array(post.length) }
  }
})
