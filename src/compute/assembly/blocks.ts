/**
 * Magnitudes in blocks: which of a list of ascending borders an element has passed, sums by block,
 * values by block, and block numbers as bit planes.
 */

import { bitAt, storeBits } from './bits'
import { held } from './first-page'

/**
 * A search among 2 · `half` − 1 borders, the same steps for every element. An element equal to
 * borders goes before the first that still takes a tie.
 */
export function assignBlocks(
  x: usize,
  indexes: usize,
  count: u32,
  borders: usize,
  ties: usize,
  half: u32,
): void {
  const end = x + (count << 2)
  for (; x < end; x += 4, indexes++) {
    const magnitude = load<u32>(x) & 0x7fffffff
    let passed = borders
    for (let step: usize = half << 2; step > 0; step = (step >> 1) & ~3) {
      const next = passed + step
      passed = select<usize>(next, passed, load<u32>(next - 4) <= magnitude)
    }
    if (passed > borders && load<u32>(passed - 4) == magnitude) {
      passed = beforeTie(passed, magnitude, borders, ties)
    }
    store<u8>(indexes, (passed - borders) >> 2)
  }
}

function beforeTie(passed: usize, magnitude: u32, borders: usize, ties: usize): usize {
  let first = passed - 4
  while (first > borders && load<u32>(first - 4) == magnitude) first -= 4
  for (; first < passed; first += 4) {
    const left = ties + (first - borders)
    const takes = load<u32>(left)
    if (takes == 0) continue
    store<u32>(left, takes - 1)
    return first
  }
  return passed
}

/** `bits` is what of an element's bits counts: all, or all but the sign. */
export function sumBlocks(x: usize, indexes: usize, count: u32, sums: usize, bits: u32): void {
  const end = x + (count << 2)
  const one = f64x2.splat(1)
  for (; x < end; x += 4, indexes++) {
    const value = <f64>reinterpret<f32>(load<u32>(x) & bits)
    const at = sums + ((<usize>load<u8>(indexes)) << 4)
    v128.store(at, f64x2.add(v128.load(at), f64x2.replace_lane(one, 0, value)))
  }
}

export function lookUpBlocks(indexes: usize, values: usize, out: usize, count: u32): u32 {
  const end = out + (count << 2)
  let highest: u32 = 0
  for (; out < end; indexes++, out += 4) {
    const index = <u32>load<u8>(indexes)
    highest = max(highest, index)
    store<u32>(out, load<u32>(values + (index << 2)))
  }
  return highest
}

export function signCodes(x: usize, indexes: usize, codes: usize, count: u32, ones: u32): void {
  const end = x + (count << 2)
  for (; x < end; x += 4, indexes++) {
    const negative = u32(load<f32>(x) < 0)
    store<u8>(indexes, (<u32>load<u8>(codes + load<u8>(indexes))) ^ (ones & (0 - negative)))
  }
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

export function largestMagnitude(x: usize, count: u32): u32 {
  const magnitudes = held(0x7fffffff)
  const whole = x + ((count & ~3) << 2)
  const end = x + (count << 2)
  let largest = i32x4.splat(0)
  for (; x < whole; x += 16) {
    largest = i32x4.max_u(largest, v128.and(v128.load(x), magnitudes))
  }
  let found = max(
    max(<u32>i32x4.extract_lane(largest, 0), <u32>i32x4.extract_lane(largest, 1)),
    max(<u32>i32x4.extract_lane(largest, 2), <u32>i32x4.extract_lane(largest, 3)),
  )
  for (; x < end; x += 4) found = max(found, load<u32>(x) & 0x7fffffff)
  return found
}

/** A table of 32,768 counters for each slot in 1 … `tables`, which stands at an element's high bits. */
export function histogramSlots(
  x: usize,
  count: u32,
  slots: usize,
  tables: u32,
  counts: usize,
): void {
  const end = x + (count << 2)
  for (; x < end; x += 4) {
    const magnitude = load<u32>(x) & 0x7fffffff
    const table = <u32>load<u8>(slots + (magnitude >> 15)) - 1
    if (table >= tables) continue
    const counter = counts + ((<usize>table) << 17) + ((magnitude & 0x7fff) << 2)
    store<u32>(counter, load<u32>(counter) + 1)
  }
}
