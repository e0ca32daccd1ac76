import assert from 'node:assert/strict'
import { fineTunePair, type PairKind } from '../../scripts/bench/fine-tune-pairs.ts'
import { sha256Hex } from '../codecs/memory-tensor.ts'
import { widenBytes } from '../codecs/numbers.ts'

describe('fine-tune pairs', () => {
  const elements = 64 * 1024

  for (const kind of ['dense', 'sparse', 'low-rank'] as const satisfies readonly PairKind[]) {
    for (const dtype of ['BF16', 'F32'] as const) {
      it(`of kind ${kind} in ${dtype} are what their arguments say`, () => {
        const pair = fineTunePair({ elements, kind, dtype, seed: 3 })
        assert.deepEqual(fineTunePair({ elements, kind, dtype, seed: 3 }), pair)
        assert.notDeepEqual(fineTunePair({ elements, kind, dtype, seed: 4 }).post, pair.post)
        assert.deepEqual(pair.spec.shape, [64, 1024])
        const base = widenBytes(dtype, pair.base)
        const delta = widenBytes(dtype, pair.post).map((value, i) => value - base[i]!)
        assert.deepEqual(pair.delta, delta)

        const moved = delta.filter((value) => value !== 0)
        const share = moved.length / elements
        if (kind === 'sparse') assert.ok(share > 0.07 && share < 0.11)
        else assert.ok(share > 0.7)
        const spread = Math.sqrt(moved.reduce((sum, value) => sum + value ** 2, 0) / moved.length)
        assert.ok(spread > 0.0015 && spread < 0.0025, String(spread))
      })
    }
  }

  it('are the same on every machine', () => {
    const { base, post } = fineTunePair({
      elements: 2048,
      kind: 'low-rank',
      dtype: 'BF16',
      seed: 1,
    })
    assert.equal(
      sha256Hex(Buffer.concat([base, post])),
      '96ac95b25ce29396ad582de5281c5ca31da83c5b12074d6b577e034084991a77',
    )
  })
})
