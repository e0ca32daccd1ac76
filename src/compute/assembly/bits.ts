/**
 * Bit planes: bit i is bit i mod 8 of byte ⌊i ÷ 8⌋, and spare bits of the last byte are 0.
 */

import { gathers, held, lanes, spreads } from './first-page'

export function packSigns(x: usize, bits: usize, count: u32): void {
  const zero = f32x4.splat(0)
  const whole = x + ((count & ~15) << 2)
  for (; x < whole; x += 64, bits += 2) {
    const first = f32x4.ge(v128.load(x), zero)
    const second = f32x4.ge(v128.load(x, 16), zero)
    const third = f32x4.ge(v128.load(x, 32), zero)
    const fourth = f32x4.ge(v128.load(x, 48), zero)
    store<u16>(bits, bitsOf(first, second, third, fourth))
  }
  let value: u32 = 0
  for (let i: u32 = 0; i < (count & 15); i++) value |= u32(load<f32>(x + (i << 2)) >= 0) << i
  storeBits(bits, value, count & 15)
}

export function packNonzero(x: usize, bits: usize, count: u32): void {
  const zero = f32x4.splat(0)
  const whole = x + ((count & ~15) << 2)
  for (; x < whole; x += 64, bits += 2) {
    const first = f32x4.ne(v128.load(x), zero)
    const second = f32x4.ne(v128.load(x, 16), zero)
    const third = f32x4.ne(v128.load(x, 32), zero)
    const fourth = f32x4.ne(v128.load(x, 48), zero)
    store<u16>(bits, bitsOf(first, second, third, fourth))
  }
  let value: u32 = 0
  for (let i: u32 = 0; i < (count & 15); i++) value |= u32(load<f32>(x + (i << 2)) != 0) << i
  storeBits(bits, value, count & 15)
}

export function unpackSigns(bits: usize, out: usize, count: u32, magnitude: f32): void {
  const negative = f32x4.splat(-magnitude)
  const sign = held(0x80000000)
  const lane0 = v128.load(lanes)
  const lane1 = v128.load(lanes, 16)
  const lane2 = v128.load(lanes, 32)
  const lane3 = v128.load(lanes, 48)
  const whole = out + ((count & ~15) << 2)
  for (; out < whole; bits += 2, out += 64) {
    const word = i32x4.splat(load<u16>(bits))
    v128.store(out, v128.xor(negative, v128.and(lanesOf(word, lane0), sign)))
    v128.store(out, v128.xor(negative, v128.and(lanesOf(word, lane1), sign)), 16)
    v128.store(out, v128.xor(negative, v128.and(lanesOf(word, lane2), sign)), 32)
    v128.store(out, v128.xor(negative, v128.and(lanesOf(word, lane3), sign)), 48)
  }
  for (let i: u32 = 0; i < (count & 15); i++) {
    store<f32>(out + (i << 2), bitAt(bits, i) ? magnitude : -magnitude)
  }
}

export function clearByBits(bits: usize, out: usize, count: u32): void {
  const lane0 = v128.load(lanes)
  const lane1 = v128.load(lanes, 16)
  const lane2 = v128.load(lanes, 32)
  const lane3 = v128.load(lanes, 48)
  const whole = out + ((count & ~15) << 2)
  for (; out < whole; bits += 2, out += 64) {
    const word = i32x4.splat(load<u16>(bits))
    v128.store(out, v128.and(v128.load(out), lanesOf(word, lane0)))
    v128.store(out, v128.and(v128.load(out, 16), lanesOf(word, lane1)), 16)
    v128.store(out, v128.and(v128.load(out, 32), lanesOf(word, lane2)), 32)
    v128.store(out, v128.and(v128.load(out, 48), lanesOf(word, lane3)), 48)
  }
  for (let i: u32 = 0; i < (count & 15); i++) {
    if (!bitAt(bits, i)) store<u32>(out + (i << 2), 0)
  }
}

export function applySigns(bits: usize, out: usize, count: u32): void {
  const zero = f32x4.splat(0)
  const sign = held(0x80000000)
  const lane0 = v128.load(lanes)
  const lane1 = v128.load(lanes, 16)
  const lane2 = v128.load(lanes, 32)
  const lane3 = v128.load(lanes, 48)
  const whole = out + ((count & ~15) << 2)
  for (; out < whole; bits += 2, out += 64) {
    const word = i32x4.splat(load<u16>(bits))
    v128.store(out, signed(v128.load(out), lanesOf(word, lane0), sign, zero))
    v128.store(out, signed(v128.load(out, 16), lanesOf(word, lane1), sign, zero), 16)
    v128.store(out, signed(v128.load(out, 32), lanesOf(word, lane2), sign, zero), 32)
    v128.store(out, signed(v128.load(out, 48), lanesOf(word, lane3), sign, zero), 48)
  }
  for (let i: u32 = 0; i < (count & 15); i++, out += 4) {
    const magnitude = load<f32>(out)
    if (!bitAt(bits, i) && magnitude != 0) store<f32>(out, -magnitude)
  }
}

function signed(magnitude: v128, positive: v128, sign: v128, zero: v128): v128 {
  const flip = v128.andnot(sign, positive)
  return v128.xor(magnitude, v128.and(flip, f32x4.ne(magnitude, zero)))
}

export function compact(x: usize, bits: usize, out: usize, count: u32): u32 {
  const total = countBits(bits, count)
  const end = out + (total << 2)
  const whole = count & ~7
  let i: u32 = 0
  // A whole vector is stored for every four bits, which fits while eight values are to come.
  for (; i < whole && out + 32 <= end; i += 8) {
    const byte = <u32>load<u8>(bits + (i >> 3))
    if (byte == 0) continue
    const low = byte & 15
    const high = byte >> 4
    const from = x + (i << 2)
    v128.store(out, i8x16.swizzle(v128.load(from), v128.load(gathers + (low << 4))))
    out += popcnt(low) << 2
    v128.store(out, i8x16.swizzle(v128.load(from, 16), v128.load(gathers + (high << 4))))
    out += popcnt(high) << 2
  }
  for (; out < end; i++) {
    if (!bitAt(bits, i)) continue
    store<u32>(out, load<u32>(x + (i << 2)))
    out += 4
  }
  return total
}

export function expand(values: usize, bits: usize, out: usize, count: u32): u32 {
  const start = values
  const whole = count & ~7
  let i: u32 = 0
  // May read up to 28 bytes past the last value: every region is followed by padding.
  for (; i < whole; i += 8, out += 32) {
    const byte = <u32>load<u8>(bits + (i >> 3))
    const low = byte & 15
    const high = byte >> 4
    v128.store(out, i8x16.swizzle(v128.load(values), v128.load(spreads + (low << 4))))
    values += popcnt(low) << 2
    v128.store(out, i8x16.swizzle(v128.load(values), v128.load(spreads + (high << 4))), 16)
    values += popcnt(high) << 2
  }
  for (; i < count; i++, out += 4) {
    const used = bitAt(bits, i)
    store<u32>(out, used ? load<u32>(values) : 0)
    values += used << 2
  }
  return (<u32>(values - start)) >> 2
}

export function packPlanes(indexes: usize, bits: usize, count: u32, planes: u32): void {
  const whole = count & ~15
  for (let plane: u32 = 0; plane < planes; plane++) {
    const toTop = 7 - plane
    let i: u32 = 0
    for (; i < whole; i += 16, bits += 2) {
      store<u16>(bits, i8x16.bitmask(i8x16.shl(v128.load(indexes + i), toTop)))
    }
    let value: u32 = 0
    for (; i < count; i++) value |= (((<u32>load<u8>(indexes + i)) >> plane) & 1) << (i & 15)
    storeBits(bits, value, count & 15)
    bits += ((count & 15) + 7) >> 3
  }
}

export function unpackPlanes(bits: usize, indexes: usize, count: u32, planes: u32): void {
  const bytes = (count + 7) >> 3
  const spread = i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
  const lane = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128)
  const whole = count & ~15
  for (let i: u32 = 0; i < whole; i += 16) {
    let at = bits + (i >> 3)
    let index = i8x16.splat(0)
    for (let plane: u32 = 0; plane < planes; plane++, at += bytes) {
      const word = i8x16.swizzle(i16x8.splat(load<u16>(at)), spread)
      const set = i8x16.eq(v128.and(word, lane), lane)
      index = v128.or(index, v128.and(set, i8x16.splat(<i8>(1 << (<i8>plane)))))
    }
    v128.store(indexes + i, index)
  }
  for (let i = whole; i < count; i++) {
    let index: u32 = 0
    for (let plane: u32 = 0; plane < planes; plane++) {
      index |= bitAt(bits + plane * bytes, i) << plane
    }
    store<u8>(indexes + i, index)
  }
}

export function countBits(bits: usize, count: u32): u32 {
  const whole = bits + ((count & ~63) >> 3)
  let total: u32 = 0
  for (; bits < whole; bits += 8) total += <u32>popcnt(load<u64>(bits))
  for (let i: u32 = 0; i < (count & 63); i++) total += bitAt(bits, i)
  return total
}

export function bitAt(bits: usize, i: u32): u32 {
  return ((<u32>load<u8>(bits + (i >> 3))) >> (i & 7)) & 1
}

/**
 * Bits `from … from + 64`, those behind `count` 0, and all others the other way round with `flip`. May
 * read up to 7 bytes past the last: every region is followed by padding.
 */
export function wordAt(bits: usize, from: u32, count: u32, flip: u32): u64 {
  const word = load<u64>(bits + (from >> 3)) ^ (flip ? <u64>-1 : 0)
  const left = count - from
  return left < 64 ? word & (((<u64>1) << left) - 1) : word
}

/** The first min(count, 16) bits of `value`, in as many bytes as they need. */
export function storeBits(bits: usize, value: u32, count: u32): void {
  if (count >= 16) {
    store<u16>(bits, value)
    return
  }
  const used = value & ((1 << count) - 1)
  if (count > 0) store<u8>(bits, used)
  if (count > 8) store<u8>(bits, used >> 8, 1)
}

/** Sixteen lane masks as bits. */
export function bitsOf(first: v128, second: v128, third: v128, fourth: v128): u32 {
  const low = i16x8.narrow_i32x4_s(first, second)
  const high = i16x8.narrow_i32x4_s(third, fourth)
  return i8x16.bitmask(i8x16.narrow_i16x8_s(low, high))
}

/** −1 in the lanes whose bit is set. */
export function lanesOf(bits: v128, lane: v128): v128 {
  return i32x4.eq(v128.and(bits, lane), lane)
}
