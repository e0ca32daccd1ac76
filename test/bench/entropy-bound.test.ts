import assert from 'node:assert/strict'
import { createEntropyBound, entropyBits } from '../../scripts/bench/codecs/entropy-bound.ts'
import { type Setting, settings } from '../../scripts/bench/codecs/settings.ts'
import { decode, decodedDelta, encode } from '../../scripts/bench/codecs/stored-tensor.ts'
import { fineTunePair } from '../../scripts/bench/fine-tune-pairs.ts'
import { type Codec, loadCodecs } from '../../src/codecs/index.ts'
import { createCodecChooser } from '../../src/codecs/manifest/choose-codec.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { Registry } from '../../src/registry.ts'

describe('the entropy bound of a bench', () => {
  it('is the number of symbols times their entropy', () => {
    assert.equal(entropyBits(Float32Array.of(3, 3, 3)), 0)
    assert.equal(entropyBits(Float32Array.of(1, 2, 3, 4)), 8)
    assert.equal(entropyBits(Float32Array.of(-5, 1, 2, 3), Math.sign).toFixed(9), '3.245112498')
  })

  describe('of a made-up fine-tune', () => {
    const kernels = openKernels()
    const pair = fineTunePair({ elements: 2 ** 17, kind: 'dense', dtype: 'BF16', seed: 1 })
    let codecs: Registry<Codec>
    before(async () => {
      codecs = await loadCodecs()
    })

    async function measure({ codec, parameters }: Setting) {
      const context = { codecs, kernels }
      const choose = createCodecChooser(
        { codec, parameters: parameters as never, scope: 'all' },
        context,
      )
      const encoded = await encode(pair, choose, context)
      const bound = createEntropyBound(kernels)
      await bound.add(encoded, pair, await decodedDelta(encoded, pair, context))
      return { encoded, bits: 8 * encoded.tensor.bytes, bound: bound.bits() }
    }

    const dense = settings.filter(({ edit, codec }) => edit === undefined && codec !== 'auto')
    const firsts = dense.filter(
      ({ codec }, i) => dense.findIndex((each) => each.codec === codec) === i,
    )
    for (const setting of firsts) {
      it(`is at most what ${setting.name} takes, and within a bit a weight of it`, async () => {
        const { bits, bound } = await measure(setting)
        assert.ok(bits > 0.99 * bound, `${bits} bits are below ${bound}`)
        assert.ok(bits < bound + 2 ** 17, `${bits} bits, the bound is ${bound}`)
        assert.equal(kernels.allocated, 0)
      })
    }

    it('holds for every codec there is', () => {
      const measured = new Set(settings.map(({ codec }) => codec))
      assert.deepEqual(
        codecs.ids.filter((id) => !measured.has(id)),
        [],
      )
    })

    it('belongs to bytes that an exact codec decodes to the weights', async () => {
      const { encoded } = await measure({ name: 'raw', codec: 'raw', parameters: {} })
      const weights = new Uint8Array(pair.post.length)
      await decode(encoded, pair.base, { codecs, kernels }, (out, from, count) =>
        weights.set(out.u8.subarray(0, 2 * count), 2 * from),
      )
      assert.deepEqual(weights, pair.post)
    })
  })
})
