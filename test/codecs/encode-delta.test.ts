import assert from 'node:assert/strict'
import { type Codec, loadCodecs } from '../../src/codecs/index.ts'
import { encodeTensor, relativeError } from '../../src/codecs/manifest/encode-delta.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { Registry } from '../../src/registry.ts'
import { bytesOfFloats, collectSections, deltaTensor } from './memory-tensor.ts'
import { normalFloats } from './numbers.ts'

describe('encodeTensor', () => {
  const kernels = openKernels()
  const delta = normalFloats(70_000, 1)
  let codecs: Registry<Codec>
  before(async () => {
    codecs = await loadCodecs()
  })

  async function encode(codec: string, parameters = {}) {
    const post = bytesOfFloats(delta)
    const spec = { name: 'x', dtype: 'F32', shape: [delta.length] } as const
    const tensor = { spec, delta, post, base: new Uint8Array(post.length) }
    const { sink, stored } = collectSections()
    const choice = { codec, parameters }
    const given = deltaTensor(kernels, tensor, 1)
    return { encoded: await encodeTensor(given, choice, sink, { kernels, codecs }), stored }
  }

  it('counts bytes, and sums squares of the delta and of what is lost', async () => {
    const norm = delta.reduce((sum, value) => sum + value ** 2, 0)
    for (const [codec, parameters] of [
      ['raw', {}],
      ['bitdelta', {}],
      ['ternary', { density: 0.3 }],
      ['integer', {}],
      ['sparse', { values: 'BF16' }],
    ] as const) {
      const { encoded, stored } = await encode(codec, parameters)
      const bytes = [...stored.values()].reduce((sum, section) => sum + section.length, 0)
      assert.equal(encoded.bytes, bytes)
      assert.ok(Math.abs(encoded.loss.norm - norm) <= 1e-12 * norm)
    }
  })

  it('finds the errors of a normal delta that the literature gives', async () => {
    for (const [codec, parameters, expected] of [
      ['raw', {}, 0],
      ['bitdelta', {}, 1 - 2 / Math.PI],
      ['ternary', { density: 0.1 }, 0.574],
      ['ternary', { density: 0.2 }, 0.383],
      ['ternary', { density: 0.5 }, 0.192],
      ['ternary', { density: 0.1, magnitude: 'std' }, 0.687],
      ['ternary', { density: 0.5, magnitude: 'std' }, 0.229],
      ['integer', { bits: 2 }, 0.59],
      ['integer', { bits: 3 }, 0.075],
      ['integer', { bits: 4 }, 0.0137],
    ] as const) {
      const { encoded } = await encode(codec, parameters)
      const { error, norm } = encoded.loss
      const off = Math.abs(error / norm - expected)
      assert.ok(off <= 0.04 * expected, `${codec} ${JSON.stringify(parameters)}: ${error / norm}`)
    }
  })
})

describe('relativeError', () => {
  it('is the root of all errors over all norms', () => {
    const losses = [
      { error: 1, norm: 10 },
      { error: 3, norm: 6 },
    ]
    assert.equal(relativeError(losses), 0.5)
    assert.equal(relativeError([{ error: 0, norm: 0 }]), 0)
    assert.equal(relativeError([]), 0)
  })
})
