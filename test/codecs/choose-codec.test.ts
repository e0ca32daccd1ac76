import assert from 'node:assert/strict'
import { type Codec, type DeltaTensor, loadCodecs } from '../../src/codecs/index.ts'
import { candidatesFor } from '../../src/codecs/manifest/candidates.ts'
import { type CodecChoice, createCodecChooser } from '../../src/codecs/manifest/choose-codec.ts'
import {
  encodeTensor,
  relativeError,
  type StoredTensor,
} from '../../src/codecs/manifest/encode-delta.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { InvalidInputError } from '../../src/errors.ts'
import type { Registry } from '../../src/registry.ts'
import type { TensorSpec } from '../../src/tensors/tensor.ts'
import { bytesOfFloats, deltaTensor } from './memory-tensor.ts'
import { normalFloats } from './numbers.ts'

const MATRIX = 'model.layers.0.mlp.up_proj.weight'

describe('createCodecChooser', () => {
  const kernels = openKernels()
  let codecs: Registry<Codec>
  before(async () => {
    codecs = await loadCodecs()
  })

  afterEach('gives all memory back', () => assert.equal(kernels.allocated, 0))

  const changed = [
    spec('model.embed_tokens.weight', 10, 4),
    spec(MATRIX, 4, 4),
    spec('model.layers.0.norm.weight', 4),
    spec('model.layers.0.conv.weight', 2, 2, 2, 2),
    spec('model.layers.11.mlp.up_proj.weight', 4, 4),
    spec('model.layers.11.scale'),
    spec('model.layers.12.empty', 0, 4),
  ]
  const idsOf = async (choice: CodecChoice): Promise<string[]> => {
    const choose = createCodecChooser(choice, { kernels, codecs })
    const ids: string[] = []
    for (const tensor of changed) ids.push((await choose(unread(tensor))).codec)
    return ids
  }

  it('stores only the matrices inside the layers with a loss, and raw what has other shapes', async () => {
    for (const codec of ['bitdelta', 'sparse', 'ternary', 'integer']) {
      const ids = ['raw', codec, 'raw', 'raw', codec, 'raw', codec]
      assert.deepEqual(await idsOf({ codec, parameters: {} }), ids)
    }
  })

  it('stores everything with an exact codec or with scope all', async () => {
    assert.deepEqual(await idsOf({ codec: 'raw', parameters: {} }), Array(7).fill('raw'))
    const all = await idsOf({ codec: 'sparse', parameters: {}, scope: 'all' })
    assert.deepEqual(all, Array(7).fill('sparse'))
  })

  it('fills in defaults and refuses what does not exist', async () => {
    const choice = { codec: 'bitdelta', parameters: { factor: 2 } }
    const choose = createCodecChooser(choice, { kernels, codecs })
    assert.deepEqual(await choose(unread(changed[1]!)), {
      codec: 'bitdelta',
      parameters: {
        scales: 'matrix',
        group: 128,
        scaleDtype: 'BF16',
        mean: 'all',
        factor: 2,
        zeros: 'keep',
      },
    })
    for (const bad of [
      { codec: 'bitdelt', parameters: {} },
      { codec: 'bitdelta', parameters: { factor: 5 } },
      { codec: 'raw', parameters: { factor: 1 } },
      { codec: 'auto', parameters: { error: -0.1 } },
      { codec: 'auto', parameters: { codec: 'raw' } },
    ]) {
      assert.throws(() => createCodecChooser(bad, { kernels, codecs }), InvalidInputError)
    }
  })

  describe('auto', () => {
    const normal = normalFloats(40_000, 1).map((value) => 0.01 * value)
    const sparse = normal.map((value, i) => (i % 97 === 0 ? value : 0))

    const sizeOf = async (tensor: DeltaTensor, codec: string, parameters = {}) =>
      encodeTensor(tensor, { codec, parameters }, async () => {}, { kernels, codecs })

    const chosen = async (delta: Float32Array, error: number, shape?: readonly number[]) => {
      const choice = { codec: 'auto', parameters: { error }, scope: 'all' } as const
      const choose = createCodecChooser(choice, { kernels, codecs })
      const tensor = tensorOf(delta, shape)
      const { codec, parameters } = await choose(tensor)
      return sizeOf(tensor, codec, parameters)
    }

    it('takes the smallest candidate within the error', async () => {
      for (const delta of [normal, sparse]) {
        for (const error of [0.05, 0.5]) {
          const sizes: StoredTensor[] = []
          for (const { codec, parameters } of candidatesFor(error)) {
            sizes.push(await sizeOf(tensorOf(delta), codec, parameters))
          }
          const { bytes, loss } = await chosen(delta, error)
          assert.ok(relativeError([loss]) <= error)
          const within = sizes.filter((other) => relativeError([other.loss]) <= error)
          assert.equal(bytes, Math.min(...within.map((other) => other.bytes)))
        }
      }
    })

    it('takes more bits the smaller the error', async () => {
      const found = []
      for (const error of [1, 0.65, 0.5, 0.3, 0.15, 0.06, 0.03, 0.01, 0]) {
        found.push(await chosen(normal, error))
      }
      const bytes = found.map((tensor) => tensor.bytes)
      assert.deepEqual(
        bytes,
        bytes.toSorted((a, b) => a - b),
      )
      assert.equal(found.at(0)!.codec, 'ternary')
      assert.equal(found.at(5)!.codec, 'blocks')
      assert.equal(found.at(-1)!.codec, 'raw')
    })

    it('stores what did not change at nearly no cost', async () => {
      const zeros = await chosen(new Float32Array(40_000), 0.05)
      assert.equal(relativeError([zeros.loss]), 0)
      assert.ok(zeros.bytes <= 16, `${zeros.bytes} bytes as ${zeros.codec}`)
      assert.equal((await chosen(sparse, 0.01)).codec, 'sparse')
    })

    it('loses nothing with error 0, whatever the tensor', async () => {
      const { codec, loss } = await chosen(normal, 0)
      assert.deepEqual([codec, loss.error], ['raw', 0])
      const exact = { codec: 'auto', parameters: { error: 0 } }
      const choose = createCodecChooser(exact, { kernels, codecs })
      await assert.rejects(choose(unread(changed[0]!)), /is read/)
    })

    it('leaves tensors that are no matrices of a layer as they are', async () => {
      const choose = createCodecChooser({ codec: 'auto', parameters: {} }, { kernels, codecs })
      const { codec } = await choose(unread(changed[0]!))
      assert.equal(codec, 'raw')
      await assert.rejects(choose(unread(changed[1]!)), /is read/)
    })

    it('stores what has a low rank as factors', async () => {
      const [left, right] = [normalFloats(200, 2), normalFloats(200, 3)]
      const delta = Float32Array.from({ length: 40_000 }, (_, i) => {
        return Math.fround(left[Math.floor(i / 200)]! * right[i % 200]!)
      })
      for (const error of [0.5, 0.01]) {
        const { codec, parameters, bytes } = await chosen(delta, error, [200, 200])
        assert.deepEqual([codec, parameters['rank']], ['low-rank', 1])
        assert.ok(bytes < 1000, `${bytes} bytes`)
      }
    })

    it('passes over candidates that a shape does not suit', async () => {
      assert.equal((await chosen(normal, 0.5, [40_000])).codec, 'ternary')
      assert.equal((await chosen(normal, 0.05, [40, 100, 10])).codec, 'blocks')
    })

    it('passes over candidates that a value does not fit', async () => {
      const large = Float32Array.of(3.4e38, 1, -3.4e38, 2)
      const { loss } = await chosen(large, 1)
      assert.ok(relativeError([loss]) <= 1)
    })

    it('stops when it is told to', async () => {
      const choice = { codec: 'auto', parameters: {} }
      const choose = createCodecChooser(choice, { kernels, codecs })
      const signal = AbortSignal.abort(new Error('stop'))
      await assert.rejects(choose(tensorOf(normal), { signal }), /stop/)
    })
  })

  function tensorOf(delta: Float32Array, shape: readonly number[] = [delta.length / 4, 4]) {
    const post = bytesOfFloats(delta)
    const tensor = { spec: { name: MATRIX, dtype: 'F32', shape } as const, post, delta }
    return deltaTensor(kernels, { ...tensor, base: new Uint8Array(post.length) })
  }
})

/** A tensor that nobody may look at. */
function unread(of: TensorSpec): DeltaTensor {
  return {
    spec: of,
    chunks() {
      throw new Error(`'${of.name}' is read`)
    },
  }
}

function spec(name: string, ...shape: number[]): TensorSpec {
  return { name, dtype: 'BF16', shape }
}
