/**
 * Masks, from a seed (Philox4x32-10, see ../../random.ts) or as bits.
 */

import { lanesOf, storeBits } from './bits'
import { held, lanes } from './first-page'

/**
 * Philox4x32-10 for the eight blocks from (low, high) on: bit i of the result is 1 where word i of
 * these 32 is at most `last`. Four blocks share a vector; two such groups side by side, because one
 * alone would wait for its own products.
 */
function wordsUpTo(last: v128, low: u32, high: u32, key0: u32, key1: u32): u32 {
  const multiplier0 = held(0xd2511f53)
  const multiplier1 = held(0xcd9e8d57)
  const step0 = held(0x9e3779b9)
  const step1 = held(0xbb67ae85)
  let k0 = i32x4.splat(key0)
  let k1 = i32x4.splat(key1)
  let a0 = i32x4.add(i32x4.splat(low), i32x4(0, 1, 2, 3))
  let b0 = i32x4.add(i32x4.splat(low), i32x4(4, 5, 6, 7))
  // A comparison that holds is −1, so subtracting it carries into the high word.
  let a1 = i32x4.sub(i32x4.splat(high), i32x4.lt_u(a0, i32x4.splat(low)))
  let b1 = i32x4.sub(i32x4.splat(high), i32x4.lt_u(b0, i32x4.splat(low)))
  let a2 = i32x4.splat(0)
  let b2 = i32x4.splat(0)
  let a3 = i32x4.splat(0)
  let b3 = i32x4.splat(0)
  for (let round = 0; round < 10; round++) {
    const p0 = i64x2.extmul_low_i32x4_u(a0, multiplier0)
    const p1 = i64x2.extmul_high_i32x4_u(a0, multiplier0)
    const q0 = i64x2.extmul_low_i32x4_u(a2, multiplier1)
    const q1 = i64x2.extmul_high_i32x4_u(a2, multiplier1)
    a0 = v128.xor(v128.xor(v128.shuffle<i32>(q0, q1, 1, 3, 5, 7), a1), k0)
    a2 = v128.xor(v128.xor(v128.shuffle<i32>(p0, p1, 1, 3, 5, 7), a3), k1)
    a1 = v128.shuffle<i32>(q0, q1, 0, 2, 4, 6)
    a3 = v128.shuffle<i32>(p0, p1, 0, 2, 4, 6)
    const r0 = i64x2.extmul_low_i32x4_u(b0, multiplier0)
    const r1 = i64x2.extmul_high_i32x4_u(b0, multiplier0)
    const s0 = i64x2.extmul_low_i32x4_u(b2, multiplier1)
    const s1 = i64x2.extmul_high_i32x4_u(b2, multiplier1)
    b0 = v128.xor(v128.xor(v128.shuffle<i32>(s0, s1, 1, 3, 5, 7), b1), k0)
    b2 = v128.xor(v128.xor(v128.shuffle<i32>(r0, r1, 1, 3, 5, 7), b3), k1)
    b1 = v128.shuffle<i32>(s0, s1, 0, 2, 4, 6)
    b3 = v128.shuffle<i32>(r0, r1, 0, 2, 4, 6)
    k0 = i32x4.add(k0, step0)
    k1 = i32x4.add(k1, step1)
  }
  return upTo(last, a0, a1, a2, a3) | (upTo(last, b0, b1, b2, b3) << 16)
}

/** Vector w holds word w of four blocks; the bits come in the order of the blocks. */
function upTo(last: v128, w0: v128, w1: v128, w2: v128, w3: v128): u32 {
  const words01 = i16x8.narrow_i32x4_s(i32x4.le_u(w0, last), i32x4.le_u(w1, last))
  const words23 = i16x8.narrow_i32x4_s(i32x4.le_u(w2, last), i32x4.le_u(w3, last))
  const byWord = i8x16.narrow_i16x8_s(words01, words23)
  return i8x16.bitmask(
    v128.shuffle<i8>(byWord, byWord, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
  )
}

function scaledWhere(mask: v128, x: v128, dropped: v128, kept: v128, one: v128): v128 {
  const factor = v128.bitselect(dropped, kept, mask)
  const product = v128.and(f32x4.mul(factor, x), f32x4.ne(factor, f32x4.splat(0)))
  return v128.bitselect(x, product, f32x4.eq(factor, one))
}

/** The block number is (high, low); `threshold` in [0, 2³²] is a f64 since it needs 33 bits. */
export function maskedScale(
  x: usize,
  out: usize,
  count: u32,
  low: u32,
  high: u32,
  key0: u32,
  key1: u32,
  threshold: f64,
  kept: f32,
  dropped: f32,
): void {
  const some: u32 = threshold > 0 ? -1 : 0
  const last = i32x4.splat(<u32>(<i64>threshold - 1))
  const one = held(0x3f800000)
  const ifKept = f32x4.splat(kept)
  const ifDropped = f32x4.splat(dropped)
  const lane0 = v128.load(lanes)
  const lane1 = v128.load(lanes, 16)
  const lane2 = v128.load(lanes, 32)
  const lane3 = v128.load(lanes, 48)
  // DARE as published, for which less is to be chosen.
  const plain = dropped == 0 && kept != 0 && kept != 1
  const end = out + (count << 2)
  while (out < end) {
    let drop = wordsUpTo(last, low, high, key0, key1) & some
    low += 8
    if (low < 8) high++
    const stop = min(out + 128, end)
    for (; stop - out >= 64; x += 64, out += 64, drop >>= 16) {
      const bits = i32x4.splat(drop)
      if (plain) {
        v128.store(out, v128.andnot(f32x4.mul(ifKept, v128.load(x)), lanesOf(bits, lane0)))
        v128.store(out, v128.andnot(f32x4.mul(ifKept, v128.load(x, 16)), lanesOf(bits, lane1)), 16)
        v128.store(out, v128.andnot(f32x4.mul(ifKept, v128.load(x, 32)), lanesOf(bits, lane2)), 32)
        v128.store(out, v128.andnot(f32x4.mul(ifKept, v128.load(x, 48)), lanesOf(bits, lane3)), 48)
        continue
      }
      v128.store(out, scaledWhere(lanesOf(bits, lane0), v128.load(x), ifDropped, ifKept, one))
      v128.store(
        out,
        scaledWhere(lanesOf(bits, lane1), v128.load(x, 16), ifDropped, ifKept, one),
        16,
      )
      v128.store(
        out,
        scaledWhere(lanesOf(bits, lane2), v128.load(x, 32), ifDropped, ifKept, one),
        32,
      )
      v128.store(
        out,
        scaledWhere(lanesOf(bits, lane3), v128.load(x, 48), ifDropped, ifKept, one),
        48,
      )
    }
    for (; out < stop; x += 4, out += 4, drop >>= 1) {
      const mask = i32x4.splat(-(drop & 1))
      const scaled = scaledWhere(mask, v128.load32_splat(x), ifDropped, ifKept, one)
      store<u32>(out, i32x4.extract_lane(scaled, 0))
    }
  }
}

export function maskBits(
  bits: usize,
  count: u32,
  low: u32,
  high: u32,
  key0: u32,
  key1: u32,
  threshold: f64,
): void {
  const some: u32 = threshold > 0 ? -1 : 0
  const last = i32x4.splat(<u32>(<i64>threshold - 1))
  for (let left = <i32>count; left > 0; left -= 32, bits += 4) {
    const keep = ~(wordsUpTo(last, low, high, key0, key1) & some)
    low += 8
    if (low < 8) high++
    if (left >= 32) store<u32>(bits, keep)
    else {
      storeBits(bits, keep, left)
      if (left > 16) storeBits(bits + 2, keep >> 16, left - 16)
    }
  }
}

export function scaleByBits(
  x: usize,
  bits: usize,
  out: usize,
  count: u32,
  ifSet: f32,
  ifClear: f32,
): void {
  const one = held(0x3f800000)
  const set = f32x4.splat(ifSet)
  const clear = f32x4.splat(ifClear)
  const lane0 = v128.load(lanes)
  const lane1 = v128.load(lanes, 16)
  const lane2 = v128.load(lanes, 32)
  const lane3 = v128.load(lanes, 48)
  const whole = out + ((count & ~15) << 2)
  for (; out < whole; bits += 2, x += 64, out += 64) {
    const word = i32x4.splat(load<u16>(bits))
    v128.store(out, scaledWhere(lanesOf(word, lane0), v128.load(x), set, clear, one))
    v128.store(out, scaledWhere(lanesOf(word, lane1), v128.load(x, 16), set, clear, one), 16)
    v128.store(out, scaledWhere(lanesOf(word, lane2), v128.load(x, 32), set, clear, one), 32)
    v128.store(out, scaledWhere(lanesOf(word, lane3), v128.load(x, 48), set, clear, one), 48)
  }
  for (let i: u32 = 0; i < (count & 15); i++, x += 4, out += 4) {
    const bit = ((<u32>load<u8>(bits + (i >> 3))) >> (i & 7)) & 1
    const scaled = scaledWhere(i32x4.splat(-bit), v128.load32_splat(x), set, clear, one)
    store<u32>(out, i32x4.extract_lane(scaled, 0))
  }
}
