/**
 * Signs, non-zeros and magnitudes in one pass; see `bits.ts` and `reduce.ts` for each alone.
 */

import { bitsOf, storeBits } from './bits'
import { block, doublesAt, sumOf } from './reduce'

export function signsAndMagnitude(
  x: usize,
  signs: usize,
  nonzero: usize,
  count: u32,
  sums: usize,
): void {
  for (; count > 0; sums += 8) {
    const n = min(count, block)
    store<f64>(sums, blockSigns(x, signs, nonzero, n))
    x += n << 2
    signs += n >> 3
    nonzero += n >> 3
    count -= n
  }
}

/** Gives the sum of magnitudes, in the order of `sumMagnitudes`. */
function blockSigns(x: usize, signs: usize, nonzero: usize, count: u32): f64 {
  const zero = f32x4.splat(0)
  const whole = x + ((count & ~15) << 2)
  const end = x + (count << 2)
  let s01 = f64x2.splat(0)
  let s23 = f64x2.splat(0)
  let s45 = f64x2.splat(0)
  let s67 = f64x2.splat(0)
  for (; x < whole; x += 64, signs += 2, nonzero += 2) {
    const a = v128.load(x)
    const b = v128.load(x, 16)
    const c = v128.load(x, 32)
    const d = v128.load(x, 48)
    store<u16>(
      signs,
      bitsOf(f32x4.ge(a, zero), f32x4.ge(b, zero), f32x4.ge(c, zero), f32x4.ge(d, zero)),
    )
    store<u16>(
      nonzero,
      bitsOf(f32x4.ne(a, zero), f32x4.ne(b, zero), f32x4.ne(c, zero), f32x4.ne(d, zero)),
    )
    s01 = f64x2.add(s01, f64x2.abs(doublesAt(x)))
    s23 = f64x2.add(s23, f64x2.abs(doublesAt(x + 8)))
    s45 = f64x2.add(s45, f64x2.abs(doublesAt(x + 16)))
    s67 = f64x2.add(s67, f64x2.abs(doublesAt(x + 24)))
    s01 = f64x2.add(s01, f64x2.abs(doublesAt(x + 32)))
    s23 = f64x2.add(s23, f64x2.abs(doublesAt(x + 40)))
    s45 = f64x2.add(s45, f64x2.abs(doublesAt(x + 48)))
    s67 = f64x2.add(s67, f64x2.abs(doublesAt(x + 56)))
  }
  let signBits: u32 = 0
  let nonzeroBits: u32 = 0
  for (let i: u32 = 0; i < (count & 15); i++) {
    const value = load<f32>(x + (i << 2))
    signBits |= u32(value >= 0) << i
    nonzeroBits |= u32(value != 0) << i
  }
  storeBits(signs, signBits, count & 15)
  storeBits(nonzero, nonzeroBits, count & 15)
  if ((count & 8) != 0) {
    s01 = f64x2.add(s01, f64x2.abs(doublesAt(x)))
    s23 = f64x2.add(s23, f64x2.abs(doublesAt(x + 8)))
    s45 = f64x2.add(s45, f64x2.abs(doublesAt(x + 16)))
    s67 = f64x2.add(s67, f64x2.abs(doublesAt(x + 24)))
    x += 32
  }
  let sum = sumOf(s01, s23, s45, s67)
  for (; x < end; x += 4) sum += abs(<f64>load<f32>(x))
  return sum
}
