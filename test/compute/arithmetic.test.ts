import assert from 'node:assert/strict'
import type { Region } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { sliceRegion } from '../../src/compute/slice-region.ts'
import { bitsOf, bitsOfNumbers, blank, place, sampleFloats } from './sample-floats.ts'

const { fround } = Math
const counts = [0, 1, 3, 4, 7, 64, 1003]

describe('kernels: linear arithmetic', () => {
  const kernels = openKernels()
  const a = sampleFloats('a', 1003)
  const b = sampleFloats('b', 1003, []).toReversed()
  const [inA, inB] = [place(kernels, a), place(kernels, b)]

  for (const count of counts) {
    it(`subtracts, adds and scales ${count} elements in f32`, () => {
      const out = blank(kernels, 1004 * 4)
      kernels.subtract(inA, inB, out, count)
      same(count, out, (i) => fround(a[i]! - b[i]!))
      kernels.add(inA, inB, out, count)
      same(count, out, (i) => fround(a[i]! + b[i]!))
      kernels.scale(inA, out, count, 0.3)
      same(count, out, (i) => fround(fround(0.3) * a[i]!))
    })

    it(`adds a multiple of ${count} elements with two roundings`, () => {
      const y = blank(kernels, 1004 * 4)
      y.f32.set(b.subarray(0, count))
      kernels.addScaled(inA, y, count, -1.7)
      same(count, y, (i) => fround(b[i]! + fround(fround(-1.7) * a[i]!)))
    })
  }

  it('works in place', () => {
    const x = blank(kernels, 1004 * 4)
    x.f32.set(a)
    kernels.add(x, x, x, 1003)
    same(1003, x, (i) => fround(a[i]! + a[i]!))
  })

  it('gives the same bytes whole and in pieces', () => {
    const whole = blank(kernels, 1003 * 4)
    const pieces = blank(kernels, 1003 * 4)
    kernels.subtract(inA, inB, whole, 1003)
    for (const [from, to] of [
      [0, 5],
      [5, 500],
      [500, 1003],
    ] as const) {
      const part = (region: Region) => sliceRegion(region, from * 4, (to - from) * 4)
      kernels.subtract(part(inA), part(inB), part(pieces), to - from)
    }
    assert.deepEqual(bitsOf(pieces.f32, 1003), bitsOf(whole.f32, 1003))
  })
})

describe('kernels: reductions', () => {
  const kernels = openKernels()
  const a = sampleFloats('sum', 1003)
  const b = sampleFloats('dot', 1003, []).map((x) => x / 1e30)
  const [inA, inB] = [place(kernels, a), place(kernels, b)]

  for (const count of counts) {
    it(`sums ${count} elements in f64 in the stated order`, () => {
      assert.equal(
        kernels.sumMagnitudes(inA, count),
        eightfold(count, (i) => Math.abs(a[i]!)),
      )
      assert.equal(
        kernels.sumSquares(inA, count),
        eightfold(count, (i) => a[i]! * a[i]!),
      )
      assert.equal(
        kernels.dot(inA, inB, count),
        eightfold(count, (i) => a[i]! * b[i]!),
      )
    })
  }

  it('finds the first NaN or infinity', () => {
    for (const at of [0, 2, 5, 63, 1002]) {
      for (const value of [NaN, Infinity, -Infinity]) {
        const x = place(kernels, a)
        x.f32[at] = value
        x.f32[1002] = NaN
        assert.equal(kernels.firstNonFinite(x, 1003), at)
        assert.equal(kernels.firstNonFinite(x, at), -1)
        kernels.release(x)
      }
    }
    assert.equal(kernels.firstNonFinite(inA, 1003), -1)
  })

  it('finds the first weight of any dtype that is NaN or infinite', () => {
    const codes = { BF16: [0x7f80, 0xff80, 0x7fc1], F16: [0x7c00, 0xfc00, 0x7e01] } as const
    const largest = { BF16: 0xff7f, F16: 0xfbff } as const
    const x = kernels.allocate(4 * 1003)
    for (const dtype of ['BF16', 'F16'] as const) {
      for (const [at, code] of [0, 7, 1002].flatMap((i) =>
        codes[dtype].map((c) => [i, c] as const),
      )) {
        x.u16.fill(largest[dtype])
        x.u16[at] = code
        assert.equal(kernels.firstNonFiniteOf(dtype, x, 1003), at)
        assert.equal(kernels.firstNonFiniteOf(dtype, x, at), -1)
      }
    }
    x.f32.fill(3e38)
    assert.equal(kernels.firstNonFiniteOf('F32', x, 1003), -1)
    x.f32[5] = -Infinity
    assert.equal(kernels.firstNonFiniteOf('F32', x, 1003), 5)
    kernels.release(x)
  })
})

function same(count: number, out: Region, expected: (i: number) => number): void {
  const numbers = Array.from({ length: count }, (_, i) => expected(i))
  assert.deepEqual(bitsOf(out.f32, count), bitsOfNumbers(numbers))
  if (count * 4 < out.bytes) assert.equal(out.u32[count], 0xa5a5a5a5, 'wrote past the count')
}
/** Eight partial sums added as ((0+2)+(4+6)) + ((1+3)+(5+7)), then the rest one by one. */
function eightfold(count: number, term: (i: number) => number): number {
  const sums = [0, 0, 0, 0, 0, 0, 0, 0]
  const whole = count - (count % 8)
  for (let i = 0; i < whole; i++) sums[i % 8]! += term(i)
  const half = (k: number) => sums[k]! + sums[k + 2]! + (sums[k + 4]! + sums[k + 6]!)
  let sum = half(0) + half(1)
  for (let i = whole; i < count; i++) sum += term(i)
  return sum
}
