import assert from 'node:assert/strict'
import { GAP_SPARE_BYTES, MAX_GAP_ORDER } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRandom } from '../../src/random.ts'
import { blank, place } from './sample-floats.ts'

const counts = [1, 7, 8, 9, 63, 64, 65, 1003, 65_536]

describe('kernels: gap codes', () => {
  const kernels = openKernels()

  it('write the quotient in zeros and a one, then the remainder, and end in zeros', () => {
    for (const [bits, order] of cases()) {
      for (const ones of [true, false]) {
        const source = place(kernels, packed(bits))
        const expected = naiveCode(
          bits.map((bit) => (ones ? bit : 1 - bit)),
          order,
        )
        assert.equal(kernels.gapBits(source, bits.length, { ones, order }), expected.length)
        const bytes = packed(expected)
        const out = blank(kernels, bytes.length + GAP_SPARE_BYTES)
        assert.equal(kernels.encodeGaps(source, bits.length, { ones, order }, out), bytes.length)
        assert.equal(Buffer.compare(out.u8.subarray(0, bytes.length), bytes), 0)

        const back = blank(kernels, packed(bits).length + 1)
        const used = kernels.decodeGaps(out, bytes.length, back, bits.length, { ones, order })
        assert.equal(used, bytes.length)
        assert.equal(Buffer.compare(back.u8.subarray(0, packed(bits).length), packed(bits)), 0)
        assert.equal(back.u8[packed(bits).length], 0xa5)
        for (const region of [source, out, back]) kernels.release(region)
      }
    }
  })

  it('of order 0 are the bitmap itself', () => {
    const bits = place(kernels, Uint8Array.of(0x12, 0x80, 0x01))
    const out = kernels.allocate(3 + GAP_SPARE_BYTES)
    kernels.encodeGaps(bits, 17, { ones: true, order: 0 }, out)
    assert.deepEqual([...out.u8.subarray(0, 3)], [0x12, 0x80, 0x01])
  })

  it('refuse what ends early, leaves the bitmap or does not end in zeros', () => {
    const bits = blank(kernels, 128)
    const decode = (bytes: number[], count: number, order: number): number =>
      kernels.decodeGaps(place(kernels, Uint8Array.from(bytes)), bytes.length, bits, count, {
        ones: true,
        order,
      })
    assert.equal(decode([], 9, 0), -1)
    assert.equal(decode([0], 9, 0), -1)
    assert.equal(decode([0, 0], 9, 0), 2)
    assert.equal(decode([0, 2], 9, 0), -1)
    // A gap of 7 zeros in a bitmap of 5.
    assert.equal(decode([0b1111], 5, 3), -1)
    assert.equal(decode([0], 1000, 15), 1)
  })

  it('read any bytes without leaving their regions', () => {
    const random = createRandom('gap garbage')
    for (let attempt = 0; attempt < 500; attempt++) {
      const bytes = Uint8Array.from({ length: random.below(40) }, () =>
        random.below(3) === 0 ? random.below(256) : 0,
      )
      const count = 1 + random.below(3000)
      const out = blank(kernels, Math.ceil(count / 8) + 1)
      const source = place(kernels, bytes)
      const code = { ones: random.below(2) === 0, order: random.below(MAX_GAP_ORDER + 1) }
      const used = kernels.decodeGaps(source, bytes.length, out, count, code)
      assert.ok(used >= -1 && used <= bytes.length)
      assert.equal(out.u8[Math.ceil(count / 8)], 0xa5)
      kernels.release(out)
      kernels.release(source)
    }
  })

  function* cases(): Generator<readonly [bits: number[], order: number]> {
    const random = createRandom('gaps')
    for (const count of counts) {
      for (const density of [0, 0.001, 0.1, 0.5, 1]) {
        const bits = Array.from({ length: count }, () => Number(random.uniform() < density))
        for (const order of [0, 3, MAX_GAP_ORDER]) yield [bits, order]
      }
    }
  }
})

function naiveCode(bits: readonly number[], order: number): number[] {
  const out: number[] = []
  let next = 0
  const zeros = (count: number): void => {
    for (let i = 0; i < count; i++) out.push(0)
  }
  bits.forEach((bit, at) => {
    if (bit === 0) return
    const gap = at - next
    zeros(Math.floor(gap / 2 ** order))
    out.push(1)
    for (let i = 0; i < order; i++) out.push(Math.floor(gap / 2 ** i) % 2)
    next = at + 1
  })
  if (next < bits.length) zeros(Math.floor((bits.length - 1 - next) / 2 ** order) + 1)
  return out
}

function packed(bits: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8))
  for (const [i, bit] of bits.entries()) bytes[i >> 3]! |= bit << (i & 7)
  return bytes
}
