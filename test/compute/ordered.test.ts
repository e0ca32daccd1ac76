import assert from 'node:assert/strict'
import { extraCapacity } from '../../src/compute/kernels/ordered.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRandom } from '../../src/random.ts'
import type { WeightDType } from '../../src/tensors/dtype.ts'
import { blank, place, sampleFloats, specials } from './sample-floats.ts'

const exponentShift = { BF16: 7, F16: 10, F32: 23 } as const

describe('kernels: ordered differences', () => {
  const kernels = openKernels()
  const map = place(
    kernels,
    Uint8Array.from({ length: 256 }, (_, exponent) => (exponent * 7) & 31),
  )

  for (const dtype of ['BF16', 'F16'] as const) {
    it(`codes every ${dtype} pattern against others and gets it back`, () => {
      const random = createRandom('ordered', dtype)
      const post = Uint16Array.from({ length: 65_536 + 11 }, (_, code) => code)
      const base = post.map((code, i) => (i % 2 ? code + random.below(9) - 4 : random.word()))
      check(16, dtype, post, base)
    })
  }

  for (const count of [0, 1, 15, 16, 17, 1003]) {
    it(`codes ${count} F32 patterns and gets them back, NaN payloads included`, () => {
      const random = createRandom('ordered', count)
      const post = new Uint32Array(sampleFloats('post', count, specials).buffer)
      const base = post.map((bits, i) => (i % 3 ? bits + random.below(99) - 50 : random.word()))
      if (count > 4) post[4] = 0xffc12345
      check(32, 'F32', post, base)
    })
  }

  it('puts −0 directly below +0, and counts away from zero', () => {
    assert.equal(symbolOf([0x8000], [0x0000]), 2, 'one below')
    assert.equal(symbolOf([0x0000], [0x8000]), 2, 'one towards zero from the negative side')
    assert.equal(symbolOf([0x8001], [0x8000]), 1, 'one away from it')
    assert.equal(symbolOf([0x3f81], [0x3f80]), 1)
    assert.equal(symbolOf([0x3f80], [0x3f80]), 0)
  })

  it('refuses extra bits that are too few, too many or set behind the last', () => {
    const [post, base] = [Uint16Array.of(0x3fff, 0x4123), Uint16Array.of(0x3f80, 0x3f80)]
    const { symbols, extra, bytes } = split('BF16', post, base)
    assert.equal(bytes, 2, 'four and seven bits')
    const inBase = place(kernels, base)
    const out = kernels.allocate(4)
    const join = (to: number) =>
      kernels.joinDifference('BF16', symbols, { input: extra, from: 0, to }, inBase, out, 2)
    assert.ok(join(2))
    assert.ok(!join(1))
    assert.ok(!join(3))
    extra.u8[1]! |= 0x80
    assert.ok(!join(2))
  })

  function symbolOf(post: number[], base: number[]): number {
    return split('BF16', Uint16Array.from(post), Uint16Array.from(base)).symbols.u8[0]!
  }

  function split(dtype: WeightDType, post: Uint16Array | Uint32Array, base: typeof post) {
    const count = post.length
    const [inPost, inBase] = [place(kernels, asBytes(post)), place(kernels, asBytes(base))]
    const [symbols, contexts] = [blank(kernels, count + 64), blank(kernels, count + 64)]
    const extra = blank(kernels, extraCapacity(dtype, count) + 64)
    const out = { symbols, contexts, extra }
    const bytes = kernels.splitDifference(dtype, inPost, inBase, map, out, count)
    assert.equal(symbols.u8[count], 0xa5)
    assert.equal(contexts.u8[count], 0xa5)
    assert.equal(extra.u8[extraCapacity(dtype, count)], 0xa5)
    return { ...out, bytes, inBase }
  }

  function check(
    width: 16 | 32,
    dtype: WeightDType,
    post: Uint16Array | Uint32Array,
    base: Uint16Array | Uint32Array,
  ): void {
    const count = post.length
    const { symbols, contexts, extra, bytes, inBase } = split(dtype, post, base)
    let text = ''
    for (let i = 0; i < count; i++) {
      const { symbol, low } = naive(post[i]!, base[i]!, width)
      const exponent = (base[i]! % 2 ** (width - 1)) >>> exponentShift[dtype]
      if (symbols.u8[i] !== symbol || contexts.u8[i] !== map.u8[exponent]) {
        assert.deepEqual([i, symbols.u8[i], contexts.u8[i]], [i, symbol, map.u8[exponent]])
      }
      text += low
    }
    const expected = Array.from({ length: Math.ceil(text.length / 8) }, (_, i) =>
      Array.from({ length: 8 }, (__, bit) => Number(text[8 * i + bit] ?? 0) << bit).reduce(
        (byte, bit) => byte | bit,
      ),
    )
    assert.deepEqual([...extra.u8.subarray(0, bytes)], expected)

    const again = blank(kernels, count + 64)
    kernels.exponents(dtype, inBase, map, again, count)
    assert.deepEqual(again.u8.subarray(0, count + 1), contexts.u8.subarray(0, count + 1))

    const back = blank(kernels, (count * width) / 8 + 64)
    const bits = { input: extra, from: 0, to: bytes }
    assert.ok(kernels.joinDifference(dtype, symbols, bits, inBase, back, count))
    assert.ok(Buffer.from(asBytes(post)).equals(back.u8.subarray(0, (count * width) / 8)))
    assert.equal(back.u8[(count * width) / 8], 0xa5)
  }
})

/** By the definition: the symbol, and the extra bits as text, the lowest first. */
function naive(post: number, base: number, width: number): { symbol: number; low: string } {
  const steps = ordered(post, width) - ordered(base, width)
  const away = BigInt.asIntN(width, base >= 2 ** (width - 1) ? -steps : steps)
  const magnitude = Number(away < 0n ? -away : away)
  const below = Math.max(0, magnitude.toString(2).length - 3)
  const token = 4 * below + Math.floor(magnitude / 2 ** below)
  const low = Array.from({ length: below }, (_, i) => Math.floor(magnitude / 2 ** i) % 2).join('')
  return { symbol: away > 0n ? 2 * token - 1 : 2 * token, low }
}

function asBytes(array: Uint16Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

/** The rank of a float's bit pattern: +0 is 0, −0 is −1. */
function ordered(bits: number, width: number): bigint {
  const half = 2 ** (width - 1)
  return BigInt(bits < half ? bits : half - 1 - bits)
}
