/**
 * Order statistics of magnitudes: f32 bits without the sign, which order as whole numbers.
 */

import { held } from './first-page'

/** Elements in which ties are counted before it is known whether all of them may stay. */
const piece: u32 = 1024

export function keepLargest(x: usize, out: usize, count: u32, threshold: u32, ties: u32): u32 {
  let left = ties
  for (let from: u32 = 0; from < count; from += piece) {
    const at = from << 2
    const n = min(count - from, piece)
    const found = keepFrom(x + at, out + at, n, threshold, left > 0)
    // The one piece in which the ties run out is done again.
    left = found > left ? keepFirst(x + at, out + at, n, threshold, left) : left - found
  }
  return ties - left
}

/** Keeps what is above the threshold and, `withTies`, all that equals it; gives how many did. */
function keepFrom(x: usize, out: usize, count: u32, threshold: u32, withTies: bool): u32 {
  const tied = i32x4.splat(threshold)
  const below = i32x4.splat(threshold - u32(withTies))
  const magnitudes = held(0x7fffffff)
  const whole = out + ((count & ~3) << 2)
  const end = out + (count << 2)
  let ties = i32x4.splat(0)
  for (; out < whole; x += 16, out += 16) {
    const values = v128.load(x)
    const magnitude = v128.and(values, magnitudes)
    ties = i32x4.sub(ties, i32x4.eq(magnitude, tied))
    v128.store(out, v128.and(values, i32x4.gt_s(magnitude, below)))
  }
  let found = sumOf(ties)
  for (; out < end; x += 4, out += 4) found += 1 - keepOne(x, out, threshold, u32(withTies))
  return withTies ? found : 0
}

/** Keeps what is above the threshold and the first `left` that equal it; gives how many are left. */
function keepFirst(x: usize, out: usize, count: u32, threshold: u32, left: u32): u32 {
  const end = out + (count << 2)
  for (; out < end; x += 4, out += 4) left = keepOne(x, out, threshold, left)
  return left
}

function keepOne(x: usize, out: usize, threshold: u32, left: u32): u32 {
  const value = load<u32>(x)
  const magnitude = value & 0x7fffffff
  const tied = magnitude == threshold && left > 0
  store<u32>(out, magnitude > threshold || tied ? value : 0)
  return left - u32(tied)
}

/** Between the two tables of a histogram, which even and odd elements take: equal ones then wait less. */
const otherTable: usize = 0x40000

/** Adds to counts by the highest 16 bits: bit 15 of an element moves to bit 2 of a pointer. */
export function histogramHigh(x: usize, count: u32, counts: usize): void {
  const whole = x + ((count & ~3) << 2)
  const end = x + (count << 2)
  for (; x < whole; x += 16) {
    const pair0 = load<u64>(x)
    const pair1 = load<u64>(x, 8)
    increment(counts + <usize>((pair0 >> 13) & 0x3fffc))
    increment(counts + otherTable + <usize>((pair0 >> 45) & 0x3fffc))
    increment(counts + <usize>((pair1 >> 13) & 0x3fffc))
    increment(counts + otherTable + <usize>((pair1 >> 45) & 0x3fffc))
  }
  for (; x < end; x += 4) increment(counts + ((load<u32>(x) >> 13) & 0x3fffc))
}

/**
 * Adds to counts by the lowest 15 bits of the elements whose highest 16 are `high`. The others are
 * counted behind the table, one place for each lane: a branch would often be foreseen wrongly.
 */
export function histogramLow(x: usize, count: u32, high: u32, counts: usize): void {
  const highs = i32x4.splat(high)
  const highBits = held(0xffff)
  const lowBits = held(0x7fff)
  const behind = i32x4.add(held(0x8000), i32x4(0, 1, 2, 3))
  const whole = x + ((count & ~3) << 2)
  const end = x + (count << 2)
  for (; x < whole; x += 16) {
    const bits = v128.load(x)
    const same = i32x4.eq(v128.and(i32x4.shr_u(bits, 15), highBits), highs)
    const bins = i32x4.shl(v128.bitselect(v128.and(bits, lowBits), behind, same), 2)
    increment(counts + i32x4.extract_lane(bins, 0))
    increment(counts + otherTable + i32x4.extract_lane(bins, 1))
    increment(counts + i32x4.extract_lane(bins, 2))
    increment(counts + otherTable + i32x4.extract_lane(bins, 3))
  }
  for (; x < end; x += 4) {
    const bits = load<u32>(x)
    if (((bits >> 15) & 0xffff) == high) increment(counts + ((bits & 0x7fff) << 2))
  }
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

/** Adds `count` counters, a multiple of 4, to others and clears them. */
export function moveCounts(from: usize, to: usize, count: u32): void {
  const zero = i32x4.splat(0)
  for (const end = from + (count << 2); from < end; from += 16, to += 16) {
    v128.store(to, i32x4.add(v128.load(to), v128.load(from)))
    v128.store(from, zero)
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
  let total = sumOf(counts)
  for (; x < end; x += 4) total += u32((load<u32>(x) & 0x7fffffff) == magnitude)
  return total
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

function sumOf(counts: v128): u32 {
  return (
    i32x4.extract_lane(counts, 0) +
    i32x4.extract_lane(counts, 1) +
    i32x4.extract_lane(counts, 2) +
    i32x4.extract_lane(counts, 3)
  )
}
