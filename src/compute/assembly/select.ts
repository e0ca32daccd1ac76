/**
 * Order statistics of magnitudes: f32 bits without the sign, which order as whole numbers.
 */

import { held, scratch } from './first-page'

export function keepLargest(x: usize, out: usize, count: u32, threshold: u32, ties: u32): u32 {
  const thresholds = i32x4.splat(threshold)
  const magnitudes = held(0x7fffffff)
  const whole = out + ((count & ~3) << 2)
  const end = out + (count << 2)
  let left = ties
  for (; out < whole; x += 16, out += 16) {
    const values = v128.load(x)
    const magnitude = v128.and(values, magnitudes)
    const equal = i32x4.eq(magnitude, thresholds)
    let keep = i32x4.gt_s(magnitude, thresholds)
    if (left > 0 && v128.any_true(equal)) {
      const found = <u32>popcnt(i32x4.bitmask(equal))
      if (found > left) {
        // The vector in which the ties run out.
        for (let lane: usize = 0; lane < 16; lane += 4) {
          left = keepOne(x + lane, out + lane, threshold, left)
        }
        continue
      }
      left -= found
      keep = v128.or(keep, equal)
    }
    v128.store(out, v128.and(values, keep))
  }
  for (; out < end; x += 4, out += 4) left = keepOne(x, out, threshold, left)
  return ties - left
}

function keepOne(x: usize, out: usize, threshold: u32, left: u32): u32 {
  const value = load<u32>(x)
  const magnitude = value & 0x7fffffff
  const tied = magnitude == threshold && left > 0
  store<u32>(out, magnitude > threshold || tied ? value : 0)
  return left - u32(tied)
}

/** Leaves 2048 counts of 32 bits in `scratch`. Four tables in turn, so that equal neighbours do not wait. */
export function histogram(x: usize, count: u32, level: u32, prefix: u32): void {
  memory.fill(scratch, 0, 0x8000)
  if (level == 0) countHighest(x, count)
  else if (level == 1) countBelow(x, count, 20, 10, prefix)
  else countBelow(x, count, 10, 0, prefix)
  for (let bin = scratch; bin < scratch + 0x2000; bin += 16) {
    const first = i32x4.add(v128.load(bin), v128.load(bin, 0x2000))
    const second = i32x4.add(v128.load(bin, 0x4000), v128.load(bin, 0x6000))
    v128.store(bin, i32x4.add(first, second))
  }
}

function countHighest(x: usize, count: u32): void {
  const whole = x + ((count & ~3) << 2)
  const end = x + (count << 2)
  for (; x < whole; x += 16) {
    const pair0 = load<u64>(x)
    const pair1 = load<u64>(x, 8)
    increment(scratch + <usize>((pair0 >> 18) & 0x1ffc))
    increment(scratch + 0x2000 + <usize>((pair0 >> 50) & 0x1ffc))
    increment(scratch + 0x4000 + <usize>((pair1 >> 18) & 0x1ffc))
    increment(scratch + 0x6000 + <usize>((pair1 >> 50) & 0x1ffc))
  }
  for (; x < end; x += 4) increment(scratch + ((load<u32>(x) >> 18) & 0x1ffc))
}

function countBelow(x: usize, count: u32, above: i32, below: u32, prefix: u32): void {
  const prefixes = i32x4.splat(prefix)
  const magnitudes = held(0x7fffffff)
  const whole = x + ((count & ~3) << 2)
  const end = x + (count << 2)
  for (; x < whole; x += 16) {
    const magnitude = v128.and(v128.load(x), magnitudes)
    const same = i32x4.eq(i32x4.shr_u(magnitude, above), prefixes)
    if (!v128.any_true(same)) continue
    const found = i32x4.bitmask(same)
    const bins = i32x4.shl(v128.and(i32x4.shr_u(magnitude, below), i32x4.splat(0x3ff)), 2)
    if (found & 1) increment(scratch + i32x4.extract_lane(bins, 0))
    if (found & 2) increment(scratch + 0x2000 + i32x4.extract_lane(bins, 1))
    if (found & 4) increment(scratch + 0x4000 + i32x4.extract_lane(bins, 2))
    if (found & 8) increment(scratch + 0x6000 + i32x4.extract_lane(bins, 3))
  }
  for (; x < end; x += 4) {
    const magnitude = load<u32>(x) & 0x7fffffff
    if (magnitude >> above == prefix) increment(scratch + (((magnitude >> below) & 0x3ff) << 2))
  }
}

function increment(counter: usize): void {
  store<u32>(counter, load<u32>(counter) + 1)
}

export function countMagnitude(x: usize, count: u32, magnitude: u32): u32 {
  const magnitudes = held(0x7fffffff)
  const wanted = i32x4.splat(magnitude)
  const whole = x + ((count & ~3) << 2)
  const end = x + (count << 2)
  let counts = i32x4.splat(0)
  for (; x < whole; x += 16) {
    const bits = v128.and(v128.load(x), magnitudes)
    counts = i32x4.sub(counts, i32x4.eq(bits, wanted))
  }
  let total =
    i32x4.extract_lane(counts, 0) +
    i32x4.extract_lane(counts, 1) +
    i32x4.extract_lane(counts, 2) +
    i32x4.extract_lane(counts, 3)
  for (; x < end; x += 4) total += u32((load<u32>(x) & 0x7fffffff) == magnitude)
  return total
}
