/**
 * Between f32 and the 16-bit floats. What is left after the last whole vector goes through a padded
 * copy.
 */

import { converted, held, padded } from './first-page'

export function copy(source: usize, out: usize, count: u32): void {
  memory.copy(out, source, count << 2)
}

export function widenBf16(source: usize, out: usize, count: u32): void {
  const whole = out + ((count & ~3) << 2)
  const end = out + (count << 2)
  for (; out < whole; source += 8, out += 16) {
    v128.store(out, i32x4.shl(v128.load16x4_u(source), 16))
  }
  for (; out < end; source += 2, out += 4) store<u32>(out, (<u32>load<u16>(source)) << 16)
}

export function widenF16(source: usize, out: usize, count: u32): void {
  const magnitudes = held(0x7fff)
  const infinity = held(0x7c00)
  const smallest = held(0x0400)
  const rebias = held((127 - 15) << 23)
  const place = held(0x33800000) // 2⁻²⁴, of a subnormal's lowest bit
  const whole = out + ((count & ~3) << 2)
  for (; out < whole; source += 8, out += 16) {
    const halves = v128.load16x4_u(source)
    const magnitude = v128.and(halves, magnitudes)
    const sign = i32x4.shl(v128.xor(halves, magnitude), 16)
    // Infinity and NaN have the highest exponent in both forms: they move by the rebias twice.
    const again = v128.and(i32x4.ge_s(magnitude, infinity), rebias)
    const normal = i32x4.add(i32x4.add(i32x4.shl(magnitude, 13), rebias), again)
    const subnormal = f32x4.mul(f32x4.convert_i32x4_s(magnitude), place)
    const number = v128.bitselect(subnormal, normal, i32x4.lt_s(magnitude, smallest))
    v128.store(out, v128.or(number, sign))
  }
  const left = count & 3
  if (left == 0) return
  memory.copy(padded, source, left << 1)
  widenF16(padded, converted, 4)
  memory.copy(out, converted, left << 2)
}

export function narrowBf16(source: usize, out: usize, count: u32): void {
  const one = held(1)
  const belowHalf = held(0x7fff)
  const quiet = held(0x0040)
  const whole = out + ((count & ~3) << 1)
  for (; out < whole; source += 16, out += 8) {
    const brains = brainsOf(v128.load(source), one, belowHalf, quiet)
    v128.store64_lane(out, i16x8.narrow_i32x4_u(brains, brains), 0)
  }
  const left = count & 3
  if (left == 0) return
  memory.copy(padded, source, left << 2)
  narrowBf16(padded, converted, 4)
  memory.copy(out, converted, left << 1)
}

/**
 * In each lane the bits of a BF16; takes 1, 0x7fff and 0x0040 in every lane, held outside a loop.
 */
export function brainsOf(floats: v128, one: v128, belowHalf: v128, quiet: v128): v128 {
  const nan = f32x4.ne(floats, floats)
  const half = i32x4.add(belowHalf, v128.and(i32x4.shr_u(floats, 16), one))
  const rounded = i32x4.shr_u(i32x4.add(floats, v128.andnot(half, nan)), 16)
  return v128.or(rounded, v128.and(nan, quiet))
}

/**
 * Adding 2^(e + 13) to a value of exponent e, at least a half's lowest, leaves just a half's places
 * in the sum's fraction, so that the addition rounds. The value goes through 2¹¹², which takes what
 * no half can hold to infinity, and 2⁻¹¹⁰.
 */
export function narrowF16(source: usize, out: usize, count: u32): void {
  const up = held(0x77800000)
  const down = held(0x08800000)
  const exponents = held(0x7f800000)
  const lowest = held(0x38800000)
  const rounder = held(0x07800000)
  const high = held(0x7c00)
  const low = held(0x0fff)
  const nan = held(0x7e00)
  const signs = held(0x8000)
  const whole = out + ((count & ~3) << 1)
  for (; out < whole; source += 16, out += 8) {
    const floats = v128.load(source)
    const value = f32x4.mul(f32x4.mul(f32x4.abs(floats), up), down)
    const exponent = i32x4.max_u(v128.and(floats, exponents), lowest)
    const sum = f32x4.add(i32x4.add(exponent, rounder), value)
    const number = i32x4.add(v128.and(i32x4.shr_u(sum, 13), high), v128.and(sum, low))
    const half = v128.bitselect(nan, number, f32x4.ne(floats, floats))
    const signed = v128.or(half, v128.and(i32x4.shr_u(floats, 16), signs))
    v128.store64_lane(out, i16x8.narrow_i32x4_u(signed, signed), 0)
  }
  const left = count & 3
  if (left == 0) return
  memory.copy(padded, source, left << 2)
  narrowF16(padded, converted, 4)
  memory.copy(out, converted, left << 1)
}
