import assert from 'node:assert/strict'
import { QUANTILES } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { keyOf, philox } from '../../src/random.ts'
import { place } from './sample-floats.ts'

describe('kernels: noise', () => {
  const kernels = openKernels()
  const key = keyOf('noise', 1, 'x')

  const wordsFrom = (from: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => {
      const block = Math.floor((from + i) / 4)
      return philox([block >>> 0, Math.floor(block / 2 ** 32), 0, 0], key)[(from + i) % 4]!
    })

  it('multiplies by uniform draws of the element’s own word', () => {
    for (const from of [0, 40, 2 ** 34 - 8, 2 ** 40]) {
      for (const count of [0, 1, 3, 4, 21]) {
        const x = place(kernels, new Float32Array(22).fill(0.75))
        kernels.multiplyByNoise(x, count, { key, from })
        const expected = wordsFrom(from, count).map((w) =>
          Math.fround((0.75 * (w + 0.5)) / 2 ** 31),
        )
        assert.deepEqual(
          [...x.f32.subarray(0, 22)],
          [...expected, ...Array<number>(22 - count).fill(0.75)],
        )
      }
    }
  })

  it('reads a table of quantiles by octaves and 128 steps, and linearly between', () => {
    // A table that is the identity, up to f32: quantile(t) = t.
    const identity = Float32Array.from(
      { length: QUANTILES },
      (_, i) => (1 + (i % 128) / 128) * 2 ** (Math.floor(i / 128) - 1),
    )
    const quantiles = place(kernels, identity)
    const x = place(kernels, new Float32Array(4096).fill(1))
    kernels.multiplyByNoise(x, 4096, { key, from: 0, quantiles })
    const expected = wordsFrom(0, 4096).map((word) => Math.fround(word + 0.5))
    assert.deepEqual([...x.f32.subarray(0, 4096)], expected)
  })

  it('refuses a table that is too short and a start inside a block', () => {
    const x = kernels.allocate(64)
    assert.throws(
      () => kernels.multiplyByNoise(x, 16, { key, from: 0, quantiles: x }),
      InvalidInputError,
    )
    assert.throws(() => kernels.multiplyByNoise(x, 4, { key, from: 2 }), InvalidInputError)
  })
})
