/**
 * Reductions in f64, block by block: in a block, element i of the whole eights goes to partial sum
 * i mod 8, and the rest follow one by one. The sum of block b is stored at `sums[b]`.
 */

import { held } from './first-page'

/** `BLOCK_ELEMENTS` of ../../tensors/blocks.ts. */
export const block: u32 = 65536

export function blockMagnitudes(x: usize, count: u32, sums: usize): void {
  for (; count > 0; sums += 8) {
    const n = min(count, block)
    store<f64>(sums, sumMagnitudes(x, n))
    x += n << 2
    count -= n
  }
}

export function blockProducts(a: usize, b: usize, count: u32, sums: usize): void {
  for (; count > 0; sums += 8) {
    const n = min(count, block)
    store<f64>(sums, dot(a, b, n))
    a += n << 2
    b += n << 2
    count -= n
  }
}

export function sumMagnitudes(x: usize, count: u32): f64 {
  const whole = x + ((count & ~7) << 2)
  const end = x + (count << 2)
  let s01 = f64x2.splat(0)
  let s23 = f64x2.splat(0)
  let s45 = f64x2.splat(0)
  let s67 = f64x2.splat(0)
  for (; x < whole; x += 32) {
    s01 = f64x2.add(s01, f64x2.abs(doublesAt(x)))
    s23 = f64x2.add(s23, f64x2.abs(doublesAt(x + 8)))
    s45 = f64x2.add(s45, f64x2.abs(doublesAt(x + 16)))
    s67 = f64x2.add(s67, f64x2.abs(doublesAt(x + 24)))
  }
  let sum = sumOf(s01, s23, s45, s67)
  for (; x < end; x += 4) sum += abs(<f64>load<f32>(x))
  return sum
}

export function dot(a: usize, b: usize, count: u32): f64 {
  const whole = a + ((count & ~7) << 2)
  const end = a + (count << 2)
  let s01 = f64x2.splat(0)
  let s23 = f64x2.splat(0)
  let s45 = f64x2.splat(0)
  let s67 = f64x2.splat(0)
  for (; a < whole; a += 32, b += 32) {
    s01 = f64x2.add(s01, f64x2.mul(doublesAt(a), doublesAt(b)))
    s23 = f64x2.add(s23, f64x2.mul(doublesAt(a + 8), doublesAt(b + 8)))
    s45 = f64x2.add(s45, f64x2.mul(doublesAt(a + 16), doublesAt(b + 16)))
    s67 = f64x2.add(s67, f64x2.mul(doublesAt(a + 24), doublesAt(b + 24)))
  }
  let sum = sumOf(s01, s23, s45, s67)
  for (; a < end; a += 4, b += 4) sum += <f64>load<f32>(a) * <f64>load<f32>(b)
  return sum
}

/** Of one block: element i of the whole fours goes to partial sum i mod 4. */
export function sum(x: usize, count: u32): f64 {
  const whole = x + ((count & ~3) << 2)
  const end = x + (count << 2)
  let s01 = f64x2.splat(0)
  let s23 = f64x2.splat(0)
  for (; x < whole; x += 16) {
    s01 = f64x2.add(s01, doublesAt(x))
    s23 = f64x2.add(s23, doublesAt(x + 8))
  }
  let total = sumOfFour(s01, s23)
  for (; x < end; x += 4) total += <f64>load<f32>(x)
  return total
}

export function squaredDeviations(x: usize, count: u32, mean: f64): f64 {
  const whole = x + ((count & ~3) << 2)
  const end = x + (count << 2)
  const means = f64x2.splat(mean)
  let s01 = f64x2.splat(0)
  let s23 = f64x2.splat(0)
  for (; x < whole; x += 16) {
    s01 = f64x2.add(s01, squared(f64x2.sub(doublesAt(x), means)))
    s23 = f64x2.add(s23, squared(f64x2.sub(doublesAt(x + 8), means)))
  }
  let total = sumOfFour(s01, s23)
  for (; x < end; x += 4) {
    const deviation = <f64>load<f32>(x) - mean
    total += deviation * deviation
  }
  return total
}

export function squaredDistance(a: usize, b: usize, count: u32): f64 {
  const whole = a + ((count & ~3) << 2)
  const end = a + (count << 2)
  let s01 = f64x2.splat(0)
  let s23 = f64x2.splat(0)
  for (; a < whole; a += 16, b += 16) {
    s01 = f64x2.add(s01, squared(f64x2.sub(doublesAt(a), doublesAt(b))))
    s23 = f64x2.add(s23, squared(f64x2.sub(doublesAt(a + 8), doublesAt(b + 8))))
  }
  let total = sumOfFour(s01, s23)
  for (; a < end; a += 4, b += 4) {
    const difference = <f64>load<f32>(a) - <f64>load<f32>(b)
    total += difference * difference
  }
  return total
}

function squared(values: v128): v128 {
  return f64x2.mul(values, values)
}

function sumOfFour(s01: v128, s23: v128): f64 {
  const sums = f64x2.add(s01, s23)
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)
}

export function doublesAt(x: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(x))
}

export function sumOf(s01: v128, s23: v128, s45: v128, s67: v128): f64 {
  const sums = f64x2.add(f64x2.add(s01, s23), f64x2.add(s45, s67))
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)
}

/** `exponent` has the bits of the dtype's exponent, all of which infinities and NaNs set. */
export function firstNonFinite16(x: usize, count: u32, exponent: u32): i32 {
  const held = i16x8.splat(<i16>exponent)
  const whole = count & ~7
  let i: u32 = 0
  for (; i < whole; i += 8) {
    const bits = v128.and(v128.load(x + (i << 1)), held)
    if (v128.any_true(i16x8.eq(bits, held))) break
  }
  for (; i < count; i++) {
    if (((<u32>load<u16>(x + (i << 1))) & exponent) == exponent) return i
  }
  return -1
}

export function firstNonFinite(x: usize, count: u32): i32 {
  const exponent = held(0x7f800000)
  const whole = count & ~3
  let i: u32 = 0
  for (; i < whole; i += 4) {
    const bits = v128.and(v128.load(x + (i << 2)), exponent)
    if (v128.any_true(i32x4.eq(bits, exponent))) break
  }
  for (; i < count; i++) {
    if ((load<u32>(x + (i << 2)) & 0x7f800000) == 0x7f800000) return i
  }
  return -1
}
