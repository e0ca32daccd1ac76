import assert from 'node:assert/strict'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { dropThreshold, maskKey, philox, type Key } from '../../src/random.ts'
import { sliceRegion } from '../../src/compute/slice-region.ts'
import { bitsOf, bitsOfNumbers, blank, place, sampleFloats } from './sample-floats.ts'

const key = maskKey(7, 'model.layers.0.mlp.up_proj.weight')

/** Word i of a mask's stream, by src/random.ts. */
function wordAt(key: Key, i: number): number {
  const block = Math.floor(i / 4)
  return philox([block >>> 0, Math.floor(block / 2 ** 32), 0, 0], key)[i % 4]!
}

describe('kernels: seeded masks', () => {
  const kernels = openKernels()
  const x = sampleFloats('mask', 1003)
  const input = place(kernels, x)

  it('drops exactly below the published words of counter 0, key 0', () => {
    const words = [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]
    const bits = kernels.allocate(1)
    words.forEach((word, i) => {
      kernels.maskBits(bits, 4, { key: [0, 0], from: 0, threshold: word })
      assert.equal((bits.u8[0]! >> i) & 1, 1, 'kept at its own word')
      kernels.maskBits(bits, 4, { key: [0, 0], from: 0, threshold: word + 1 })
      assert.equal((bits.u8[0]! >> i) & 1, 0, 'dropped just above it')
    })
  })

  // Around blocks 2³² − 1 → 2³² the counter carries into its second word.
  for (const from of [0, 4, 1000, 2 ** 34 - 4, 2 ** 34 - 20, 2 ** 34 - 64, 2 ** 40 + 12]) {
    it(`agrees with philox from element ${from} on`, () => {
      const threshold = dropThreshold(0.3)
      for (const count of [1, 7, 16, 47, 203]) {
        const drop = Array.from({ length: count }, (_, i) => wordAt(key, from + i) < threshold)
        const bits = blank(kernels, 64)
        kernels.maskBits(bits, count, { key, from, threshold })
        assert.deepEqual(
          [...bits.u8.subarray(0, Math.ceil(count / 8))],
          packed(drop.map((d) => !d)),
        )
        assert.equal(bits.u8[Math.ceil(count / 8)], 0xa5)
        const out = blank(kernels, 204 * 4)
        const mask = { key, from, threshold, kept: 1.25, dropped: -0.5 }
        kernels.maskedScale(input, out, count, mask)
        assert.deepEqual(
          bitsOf(out.f32, count),
          bitsOfNumbers(drop.map((d, i) => x[i]! * (d ? -0.5 : 1.25))),
        )
        assert.equal(out.u32[count], 0xa5a5a5a5)
      }
    })
  }

  it('gives the same bytes whole and in pieces', () => {
    const mask = { key, threshold: dropThreshold(0.9), kept: 10, dropped: 0 }
    const whole = kernels.allocate(1003 * 4)
    const pieces = kernels.allocate(1003 * 4)
    kernels.maskedScale(input, whole, 1003, { ...mask, from: 8 })
    for (const [from, to] of [
      [0, 12],
      [12, 500],
      [500, 1003],
    ] as const) {
      const bytes = (to - from) * 4
      const [source, out] = [
        sliceRegion(input, from * 4, bytes),
        sliceRegion(pieces, from * 4, bytes),
      ]
      kernels.maskedScale(source, out, to - from, { ...mask, from: 8 + from })
    }
    assert.deepEqual(bitsOf(pieces.f32, 1003), bitsOf(whole.f32, 1003))
  })

  it('takes thresholds 0 and 2³² as none and all', () => {
    const bits = kernels.allocate(8)
    kernels.maskBits(bits, 64, { key, from: 0, threshold: 0 })
    assert.equal(kernels.countBits(bits, 64), 64)
    kernels.maskBits(bits, 64, { key, from: 0, threshold: 2 ** 32 })
    assert.equal(kernels.countBits(bits, 64), 0)
  })

  it('makes a factor of 0 give +0 and a factor of 1 keep the bits', () => {
    const values = place(kernels, Float32Array.of(-1, -0, Infinity, NaN, 5, -(2 ** -149)))
    values.u32[3] = 0xff801234
    const out = kernels.allocate(24)
    for (const [kept, dropped] of [
      [0, 3],
      [3, 0],
    ] as const) {
      const threshold = kept === 0 ? 0 : 2 ** 32
      kernels.maskedScale(values, out, 6, { key, from: 0, threshold, kept, dropped })
      assert.deepEqual([...out.u32.subarray(0, 6)], [0, 0, 0, 0, 0, 0])
    }
    kernels.maskedScale(values, out, 6, { key, from: 0, threshold: 0, kept: 1, dropped: 9 })
    assert.deepEqual([...out.u32.subarray(0, 6)], [...values.u32.subarray(0, 6)])
  })

  it('refuses a start inside a block', () => {
    assert.throws(() => kernels.maskBits(kernels.allocate(8), 8, { key, from: 6, threshold: 1 }), {
      id: 'E_REGION',
    })
  })
})

function packed(bits: readonly boolean[]): number[] {
  const bytes = Array.from({ length: Math.ceil(bits.length / 8) }, () => 0)
  bits.forEach((bit, i) => (bytes[i >> 3]! |= Number(bit) << (i & 7)))
  return bytes
}
