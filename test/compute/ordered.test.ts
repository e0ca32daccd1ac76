import assert from 'node:assert/strict'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRandom } from '../../src/random.ts'
import { blank, place, sampleFloats, specials } from './sample-floats.ts'

describe('kernels: ordered differences', () => {
  const kernels = openKernels()

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

  it('puts −0 directly below +0', () => {
    const planes = kernels.allocate(2)
    const [plus, minus] = [Uint16Array.of(0), Uint16Array.of(0x8000)]
    kernels.orderedDifference('BF16', place(kernels, minus), place(kernels, plus), planes, 1)
    assert.deepEqual([...planes.u8.subarray(0, 2)], [1, 0], 'zigzag of −1')
    kernels.orderedDifference('BF16', place(kernels, plus), place(kernels, minus), planes, 1)
    assert.deepEqual([...planes.u8.subarray(0, 2)], [2, 0], 'zigzag of +1')
  })

  function check(
    width: 16 | 32,
    dtype: 'BF16' | 'F16' | 'F32',
    post: Uint16Array | Uint32Array,
    base: Uint16Array | Uint32Array,
  ): void {
    const count = post.length
    const bytes = width / 8
    const [inPost, inBase] = [place(kernels, asBytes(post)), place(kernels, asBytes(base))]
    const planes = blank(kernels, count * bytes + 64)
    kernels.orderedDifference(dtype, inPost, inBase, planes, count)
    let wrong = -1
    for (let i = 0; i < count && wrong < 0; i++) {
      const code = zigzag(ordered(post[i]!, width) - ordered(base[i]!, width), width)
      for (let plane = 0; plane < bytes; plane++) {
        if (planes.u8[plane * count + i] !== Number((code >> BigInt(8 * plane)) & 255n)) wrong = i
      }
    }
    assert.equal(wrong, -1)
    assert.equal(planes.u8[count * bytes], 0xa5)

    const back = blank(kernels, count * bytes + 64)
    kernels.orderedSum(dtype, planes, inBase, back, count)
    assert.ok(Buffer.from(asBytes(post)).equals(back.u8.subarray(0, count * bytes)))
    assert.equal(back.u8[count * bytes], 0xa5)
    for (const region of [inPost, inBase, planes, back]) kernels.release(region)
  }
})

function asBytes(array: Uint16Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

/** The rank of a float's bit pattern: +0 is 0, −0 is −1. */
function ordered(bits: number, width: number): bigint {
  const half = 2 ** (width - 1)
  return BigInt(bits < half ? bits : half - 1 - bits)
}

function zigzag(difference: bigint, width: number): bigint {
  const wrapped = BigInt.asIntN(width, difference)
  return BigInt.asUintN(width, wrapped < 0n ? -2n * wrapped - 1n : 2n * wrapped)
}
