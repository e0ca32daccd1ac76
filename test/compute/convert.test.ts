import assert from 'node:assert/strict'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRandom } from '../../src/random.ts'
import { bitsOf, blank, place, specials } from './sample-floats.ts'

const codes = Uint16Array.from({ length: 65_536 }, (_, code) => code)

describe('kernels: conversions', () => {
  const kernels = openKernels()

  it('widens every bf16 code to the float with the same bits above', () => {
    const out = kernels.allocate(65_536 * 4)
    kernels.widen('BF16', place(kernels, codes), out, 65_536)
    assert.ok(codes.every((code) => out.u32[code] === (code << 16) >>> 0))
  })

  it('widens every f16 code to its value', () => {
    const out = kernels.allocate(65_536 * 4)
    kernels.widen('F16', place(kernels, codes), out, 65_536)
    for (const code of codes) {
      const expected = valueOfHalf(code)
      if (!Object.is(out.f32[code], expected)) assert.equal(out.f32[code], expected, `code ${code}`)
    }
  })

  it('gets every bf16 and f16 code back, NaNs quiet', () => {
    const wide = kernels.allocate(65_536 * 4)
    const back = kernels.allocate(65_536 * 2)
    for (const [dtype, infinity, quiet] of [
      ['BF16', 0x7f80, (code: number) => code | 0x40],
      ['F16', 0x7c00, (code: number) => (code & 0x8000) | 0x7e00],
    ] as const) {
      kernels.widen(dtype, place(kernels, codes), wide, 65_536)
      kernels.narrow(dtype, wide, back, 65_536)
      for (const code of codes) {
        const expected = (code & 0x7fff) > infinity ? quiet(code) : code
        if (back.u16[code] !== expected) assert.equal(back.u16[code], expected, `${dtype} ${code}`)
      }
    }
  })

  it('rounds to the nearest even bf16 and f16', () => {
    const random = createRandom('narrow')
    const floats = new Float32Array(40_000)
    const bits = new Uint32Array(floats.buffer)
    for (let i = 0; i < bits.length; i++) bits[i] = random.word()
    // Exponents around the halves' range, ties and their neighbours included.
    for (let i = 0; i < 20_000; i++) {
      bits[i] = (bits[i]! & 0x807fffff) | ((100 + (i % 48)) << 23)
      if (i % 3 === 0) bits[i] = (bits[i]! & 0xfffff000) | 0x1000
      if (i % 7 === 0) bits[i] = (bits[i]! & 0xffff8000) | 0x8000
    }
    floats.set(specials)
    const source = place(kernels, floats)
    const out = kernels.allocate(floats.length * 2)
    for (const [dtype, round] of [
      ['BF16', (x: number) => nearest(x, 8, -126, 3.3895313892515355e38)],
      ['F16', (x: number) => nearest(x, 11, -14, 65_504)],
    ] as const) {
      kernels.narrow(dtype, source, out, floats.length)
      const back = kernels.allocate(floats.length * 4)
      kernels.widen(dtype, out, back, floats.length)
      floats.forEach((x, i) => {
        const expected = round(x)
        if (!Object.is(back.f32[i], expected)) {
          assert.equal(back.f32[i], expected, `${dtype} of ${x}`)
        }
      })
    }
  })

  it('copies F32 bit for bit', () => {
    const floats = Float32Array.from(specials)
    const out = kernels.allocate(floats.byteLength)
    kernels.widen('F32', place(kernels, floats), out, floats.length)
    assert.deepEqual(bitsOf(out.f32, floats.length), bitsOf(floats))
    kernels.narrow('F32', place(kernels, floats), out, floats.length)
    assert.deepEqual(bitsOf(out.f32, floats.length), bitsOf(floats))
  })

  it('writes nothing past the count', () => {
    for (const count of [1, 3, 5, 7, 9, 15]) {
      const wide = blank(kernels, 128)
      kernels.widen('F16', place(kernels, codes.subarray(0x3c00)), wide, count)
      assert.equal(wide.u32[count], 0xa5a5a5a5)
      const narrow = blank(kernels, 128)
      kernels.narrow('BF16', wide, narrow, count)
      assert.equal(narrow.u16[count], 0xa5a5)
    }
  })
})

/** IEEE 754 binary16, in f64. */
function valueOfHalf(code: number): number {
  const sign = code & 0x8000 ? -1 : 1
  const exponent = (code >> 10) & 31
  const fraction = code & 0x3ff
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0
    ? sign * fraction * 2 ** -24
    : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** Nearest number with `digits` binary digits and no exponent below `lowest`; ties to even. */
function nearest(x: number, digits: number, lowest: number, largest: number): number {
  if (!Number.isFinite(x) || x === 0) return x
  let exponent = lowest
  while (2 ** (exponent + 1) <= Math.abs(x)) exponent++
  const place = 2 ** (exponent - digits + 1)
  const down = Math.floor(Math.abs(x) / place)
  const rest = Math.abs(x) / place - down
  const rounded = rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down
  const value = rounded * place > largest ? Infinity : rounded * place
  return x < 0 ? -value : value
}
