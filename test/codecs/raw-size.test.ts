import assert from 'node:assert/strict'
import { rawSizeOfFolders, rawSizeOfPair } from '../../scripts/bench/raw-size.ts'
import { fineTunePair } from '../../scripts/bench/fine-tune-pairs.ts'
import { codec } from '../../src/codecs/raw.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { demoPath, sharedPath, skip } from '../support/shared.ts'
import { collectSections, deltaTensor } from './memory-tensor.ts'

describe('size of raw', () => {
  /** With the entropy that was measured when the codec was written, in bits per BF16 weight. */
  const models = [
    ['kana-light', demoPath('base'), demoPath('kana-light'), 4.123],
    ['kana', sharedPath('data/vit-tiny/base'), sharedPath('data/vit-tiny/kana'), 7.708],
    ['de-light', sharedPath('data/llama-tiny/base'), sharedPath('data/llama-tiny/de-light'), 5.652],
    ['de', sharedPath('data/llama-tiny/base'), sharedPath('data/llama-tiny/de'), 7.978],
  ] as const

  for (const [name, base, post, entropy] of models) {
    for (const dtype of ['BF16', 'F16'] as const) {
      it(`is within 3 % of the conditional entropy on ${name} in ${dtype}`, async function () {
        if (base === undefined || post === undefined) skip(this, 'no ../shared/data')
        const { bytes, entropyBits, elements } = await rawSizeOfFolders(base, post, dtype)
        assert.ok(8 * bytes <= 1.03 * entropyBits, `${8 * bytes} bits against ${entropyBits}`)
        if (dtype === 'BF16') assert.ok(Math.abs(entropyBits / elements - entropy) < 0.001)
      })
    }
  }

  for (const kind of ['dense', 'sparse', 'low-rank'] as const) {
    it(`is within 3 % of the conditional entropy and 64 bytes on 2²⁰ ${kind} changes`, async () => {
      const request = { elements: 2 ** 20, kind, dtype: 'BF16', seed: 1 } as const
      const { bytes, entropyBits } = await rawSizeOfPair(request)
      assert.ok(bytes <= (1.03 * entropyBits) / 8 + 64, `${bytes} bytes`)
    })
  }

  it('of F32 changes that are 1 in 10 is below a tenth of the weights and 3 %', async () => {
    const kernels = openKernels()
    const pair = fineTunePair({ elements: 2 ** 20, kind: 'sparse', dtype: 'F32', seed: 1 })
    const { sink, stored } = collectSections()
    await codec.encode(deltaTensor(kernels, pair), {}, sink, { kernels })
    assert.ok(stored.get('differences')!.length < 1.03 * (pair.post.length / 10))
  })
})
