import assert from 'node:assert/strict'
import { loadCodecs } from '../../src/codecs/index.ts'
import { type CodecCase, codecContract } from '../contract/codec.ts'
import { naiveMask, roundHalf } from './numbers.ts'
import { signCases } from './sign-cases.ts'

const codecs = await loadCodecs()

/** Ways to use each codec; a codec without a line here fails below. */
const cases = new Map<string, readonly CodecCase[]>([
  ['raw', [{ parameters: {} }]],
  ...signCases,
  [
    'sparse',
    [
      { parameters: {}, decoded: (_, delta) => delta.map((value) => value + 0) },
      {
        parameters: { values: 'BF16' },
        decoded: (_, delta) => delta.map((value) => (value === 0 ? 0 : roundHalf('BF16', value))),
      },
      {
        parameters: { values: 'F16' },
        prepare: (_, delta) => delta.map((value) => value / 2 ** 20),
        decoded: (_, delta) => delta.map((value) => (value === 0 ? 0 : roundHalf('F16', value))),
      },
      {
        parameters: { mask: 'seeded', seed: 7, drop: 0.5 },
        prepare: (name, delta) => {
          const mask = naiveMask(7, name, 0.5, delta.length)
          return delta.map((value, i) => (mask[i] === 1 ? value : 0))
        },
      },
    ],
  ],
])

describe('codecs', () => {
  it('are bitdelta, blocks, noise, raw, residual and sparse', () => {
    assert.deepEqual(codecs.ids, ['bitdelta', 'blocks', 'noise', 'raw', 'residual', 'sparse'])
  })
})

for (const id of codecs.ids) codecContract(codecs.get(id), cases.get(id) ?? [])
