/**
 * Exact differences: bit patterns as whole numbers in the order of their values.
 */

export function orderedDifference16(post: usize, base: usize, planes: usize, count: u32): void {
  const whole = planes + (count & ~15)
  const end = planes + count
  for (; planes < whole; post += 32, base += 32, planes += 16) {
    const a = zigzag16(i16x8.sub(order16(v128.load(post)), order16(v128.load(base))))
    const b = zigzag16(i16x8.sub(order16(v128.load(post, 16)), order16(v128.load(base, 16))))
    v128.store(planes, lowBytes(a, b))
    v128.store(planes + count, highBytes(a, b))
  }
  for (; planes < end; post += 2, base += 2, planes++) {
    const a = order16(i16x8.splat(load<u16>(post)))
    const b = order16(i16x8.splat(load<u16>(base)))
    const code = i16x8.extract_lane_u(zigzag16(i16x8.sub(a, b)), 0)
    store<u8>(planes, <u8>code)
    store<u8>(planes + count, <u8>(code >> 8))
  }
}

export function orderedDifference32(post: usize, base: usize, planes: usize, count: u32): void {
  const whole = planes + (count & ~15)
  const end = planes + count
  for (; planes < whole; post += 64, base += 64, planes += 16) {
    const a = zigzag32(i32x4.sub(order32(v128.load(post)), order32(v128.load(base))))
    const b = zigzag32(i32x4.sub(order32(v128.load(post, 16)), order32(v128.load(base, 16))))
    const c = zigzag32(i32x4.sub(order32(v128.load(post, 32)), order32(v128.load(base, 32))))
    const d = zigzag32(i32x4.sub(order32(v128.load(post, 48)), order32(v128.load(base, 48))))
    const low0 = lowHalves(a, b)
    const low1 = lowHalves(c, d)
    const high0 = highHalves(a, b)
    const high1 = highHalves(c, d)
    v128.store(planes, lowBytes(low0, low1))
    v128.store(planes + count, highBytes(low0, low1))
    v128.store(planes + 2 * count, lowBytes(high0, high1))
    v128.store(planes + 3 * count, highBytes(high0, high1))
  }
  for (; planes < end; post += 4, base += 4, planes++) {
    const a = order32(i32x4.splat(load<u32>(post)))
    const b = order32(i32x4.splat(load<u32>(base)))
    const code: u32 = i32x4.extract_lane(zigzag32(i32x4.sub(a, b)), 0)
    store<u8>(planes, <u8>code)
    store<u8>(planes + count, <u8>(code >> 8))
    store<u8>(planes + 2 * count, <u8>(code >> 16))
    store<u8>(planes + 3 * count, <u8>(code >> 24))
  }
}

export function orderedSum16(planes: usize, base: usize, post: usize, count: u32): void {
  const whole = planes + (count & ~15)
  const end = planes + count
  for (; planes < whole; planes += 16, base += 32, post += 32) {
    const low = v128.load(planes)
    const high = v128.load(planes + count)
    const a = unzigzag16(firstBytes(low, high))
    const b = unzigzag16(lastBytes(low, high))
    v128.store(post, order16(i16x8.add(a, order16(v128.load(base)))))
    v128.store(post, order16(i16x8.add(b, order16(v128.load(base, 16)))), 16)
  }
  for (; planes < end; planes++, base += 2, post += 2) {
    const code = (<u32>load<u8>(planes)) | ((<u32>load<u8>(planes + count)) << 8)
    const a = unzigzag16(i16x8.splat(<i16>code))
    const b = order16(i16x8.splat(load<u16>(base)))
    store<u16>(post, i16x8.extract_lane_u(order16(i16x8.add(a, b)), 0))
  }
}

export function orderedSum32(planes: usize, base: usize, post: usize, count: u32): void {
  const whole = planes + (count & ~15)
  const end = planes + count
  for (; planes < whole; planes += 16, base += 64, post += 64) {
    const plane0 = v128.load(planes)
    const plane1 = v128.load(planes + count)
    const plane2 = v128.load(planes + 2 * count)
    const plane3 = v128.load(planes + 3 * count)
    const low0 = firstBytes(plane0, plane1)
    const low1 = lastBytes(plane0, plane1)
    const high0 = firstBytes(plane2, plane3)
    const high1 = lastBytes(plane2, plane3)
    const a = unzigzag32(firstHalves(low0, high0))
    const b = unzigzag32(lastHalves(low0, high0))
    const c = unzigzag32(firstHalves(low1, high1))
    const d = unzigzag32(lastHalves(low1, high1))
    v128.store(post, order32(i32x4.add(a, order32(v128.load(base)))))
    v128.store(post, order32(i32x4.add(b, order32(v128.load(base, 16)))), 16)
    v128.store(post, order32(i32x4.add(c, order32(v128.load(base, 32)))), 32)
    v128.store(post, order32(i32x4.add(d, order32(v128.load(base, 48)))), 48)
  }
  for (; planes < end; planes++, base += 4, post += 4) {
    const code =
      (<u32>load<u8>(planes)) |
      ((<u32>load<u8>(planes + count)) << 8) |
      ((<u32>load<u8>(planes + 2 * count)) << 16) |
      ((<u32>load<u8>(planes + 3 * count)) << 24)
    const a = unzigzag32(i32x4.splat(code))
    const b = order32(i32x4.splat(load<u32>(base)))
    store<u32>(post, i32x4.extract_lane(order32(i32x4.add(a, b)), 0))
  }
}

/** Sign and magnitude to two's complement order and back: below zero all bits but the sign flip. */
function order16(bits: v128): v128 {
  return v128.xor(bits, i16x8.shr_u(i16x8.shr_s(bits, 15), 1))
}

function order32(bits: v128): v128 {
  return v128.xor(bits, i32x4.shr_u(i32x4.shr_s(bits, 31), 1))
}

/** 0, −1, 1, −2 … become 0, 1, 2, 3 …, so that small differences have empty high planes. */
function zigzag16(difference: v128): v128 {
  return v128.xor(i16x8.shl(difference, 1), i16x8.shr_s(difference, 15))
}

function zigzag32(difference: v128): v128 {
  return v128.xor(i32x4.shl(difference, 1), i32x4.shr_s(difference, 31))
}

function unzigzag16(code: v128): v128 {
  return v128.xor(i16x8.shr_u(code, 1), i16x8.neg(v128.and(code, i16x8.splat(1))))
}

function unzigzag32(code: v128): v128 {
  return v128.xor(i32x4.shr_u(code, 1), i32x4.neg(v128.and(code, i32x4.splat(1))))
}

function lowBytes(a: v128, b: v128): v128 {
  const low = i16x8.splat(0x00ff)
  return i8x16.narrow_i16x8_u(v128.and(a, low), v128.and(b, low))
}

function highBytes(a: v128, b: v128): v128 {
  return i8x16.narrow_i16x8_u(i16x8.shr_u(a, 8), i16x8.shr_u(b, 8))
}

function lowHalves(a: v128, b: v128): v128 {
  const low = i32x4.splat(0x0000ffff)
  return i16x8.narrow_i32x4_u(v128.and(a, low), v128.and(b, low))
}

function highHalves(a: v128, b: v128): v128 {
  return i16x8.narrow_i32x4_u(i32x4.shr_u(a, 16), i32x4.shr_u(b, 16))
}

function firstBytes(low: v128, high: v128): v128 {
  return v128.shuffle<i8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
}

function lastBytes(low: v128, high: v128): v128 {
  return v128.shuffle<i8>(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
}

function firstHalves(low: v128, high: v128): v128 {
  return v128.shuffle<i16>(low, high, 0, 8, 1, 9, 2, 10, 3, 11)
}

function lastHalves(low: v128, high: v128): v128 {
  return v128.shuffle<i16>(low, high, 4, 12, 5, 13, 6, 14, 7, 15)
}
