import assert from 'node:assert/strict'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { createRandom } from '../../src/random.ts'
import { bitsOf, blank, place, sampleFloats, specials } from './sample-floats.ts'

const counts = [0, 1, 4, 8, 9, 15, 16, 17, 63, 64, 1003]

describe('kernels: bit planes', () => {
  const kernels = openKernels()
  const x = sampleFloats('bits', 1003, specials)
  const input = place(kernels, x)
  const raw = new Uint32Array(x.buffer)

  it('packs signs and non-zeros, spare bits 0', () => {
    for (const count of counts) {
      const bytes = Math.ceil(count / 8)
      const bits = blank(kernels, 128)
      kernels.packSigns(input, bits, count)
      assert.deepEqual(
        [...bits.u8.subarray(0, bytes)],
        packed(count, (i) => x[i]! >= 0),
      )
      assert.equal(bits.u8[bytes], 0xa5)
      kernels.packNonzero(input, bits, count)
      assert.deepEqual(
        [...bits.u8.subarray(0, bytes)],
        packed(count, (i) => x[i] !== 0),
      )
      assert.equal(bits.u8[bytes], 0xa5)
    }
  })

  for (const density of [0, 0.03, 0.5, 1]) {
    it(`unpacks, clears, compacts, expands and counts bits of density ${density}`, () => {
      for (const count of counts) {
        const random = createRandom('density', count)
        const set = Array.from({ length: count }, () => random.uniform() < density)
        // Bits past the count are set, and must not be seen.
        const bytes = packed(1100, (i) => set[i] ?? true)
        const bits = place(kernels, Uint8Array.from(bytes))
        const chosen = [...raw.subarray(0, count)].filter((_, i) => set[i])

        assert.equal(kernels.countBits(bits, count), chosen.length)

        const signs = blank(kernels, 1004 * 4)
        kernels.unpackSigns(bits, signs, count, 0.75)
        assert.deepEqual(
          [...signs.f32.subarray(0, count)],
          set.map((bit) => (bit ? 0.75 : -0.75)),
        )
        assert.equal(signs.u32[count], 0xa5a5a5a5)

        const cleared = kernels.allocate(1004 * 4)
        cleared.f32.set(x)
        kernels.clearByBits(bits, cleared, count)
        const masked = [...raw].map((value, i) => ((set[i] ?? true) ? value : 0))
        assert.deepEqual([...cleared.u32.subarray(0, 1003)], masked)

        const values = blank(kernels, chosen.length * 4 + 64)
        assert.equal(kernels.compact(input, bits, values, count), chosen.length)
        assert.deepEqual([...values.u32.subarray(0, chosen.length)], chosen)
        assert.equal(values.u32[chosen.length], 0xa5a5a5a5)

        const spread = blank(kernels, 1004 * 4)
        assert.equal(kernels.expand(values, bits, spread, count), chosen.length)
        assert.deepEqual([...spread.u32.subarray(0, count)], masked.slice(0, count))
        assert.equal(spread.u32[count], 0xa5a5a5a5)
        for (const region of [bits, signs, cleared, values, spread]) kernels.release(region)
      }
    })
  }

  it('puts signs before magnitudes and none before 0', () => {
    const magnitudes = x.map(Math.abs)
    const bits = kernels.allocate(128)
    for (const count of counts) {
      kernels.packSigns(input, bits, count)
      const out = place(kernels, magnitudes)
      kernels.applySigns(bits, out, count)
      const expected = magnitudes.map((value, i) =>
        i < count && !(x[i]! >= 0) && value !== 0 ? -value : value,
      )
      assert.deepEqual(out.f32.subarray(0, 1003), expected)
    }
    assert.throws(() => kernels.applySigns(bits, input, 1025), InvalidInputError)
  })

  it('packs numbers as bit planes and back', () => {
    const random = createRandom('planes')
    const numbers = kernels.allocate(1024)
    for (const planes of [1, 3, 8]) {
      for (const count of [0, 1, 9, 16, 31, 1003]) {
        for (let i = 0; i < count; i++) numbers.u8[i] = random.below(2 ** planes)
        const bytes = Math.ceil(count / 8)
        const bits = blank(kernels, 8 * 128 + 8)
        kernels.packPlanes(numbers, bits, count, planes)
        const expected = new Uint8Array(planes * bytes)
        for (let plane = 0; plane < planes; plane++) {
          for (let i = 0; i < count; i++) {
            expected[plane * bytes + (i >> 3)]! |= ((numbers.u8[i]! >> plane) & 1) << (i & 7)
          }
        }
        assert.deepEqual(bits.u8.slice(0, planes * bytes), expected)
        assert.equal(bits.u8[planes * bytes], 0xa5)
        const out = blank(kernels, 1024)
        kernels.unpackPlanes(bits, out, count, planes)
        assert.deepEqual(out.u8.slice(0, count), numbers.u8.slice(0, count))
        assert.equal(out.u8[count], 0xa5)
      }
    }
    const short = kernels.allocate(64)
    assert.throws(() => kernels.packPlanes(numbers, short, 128, 5), InvalidInputError)
    assert.throws(() => kernels.unpackPlanes(short, numbers, 128, 5), InvalidInputError)
  })

  it('compacts in place', () => {
    const values = place(kernels, x)
    const bits = kernels.allocate(126)
    kernels.packNonzero(values, bits, 1003)
    const total = kernels.compact(values, bits, values, 1003)
    const expected = x.filter((value) => value !== 0)
    assert.deepEqual(bitsOf(values.f32, total), bitsOf(expected))
  })
})

function packed(count: number, bit: (i: number) => boolean): number[] {
  const bytes = Array.from({ length: Math.ceil(count / 8) }, () => 0)
  for (let i = 0; i < count; i++) bytes[i >> 3]! |= Number(bit(i)) << (i & 7)
  return bytes
}
