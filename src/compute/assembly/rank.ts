/**
 * Ranks of magnitudes within rows, and what is kept by them. A rank counts from the largest
 * magnitude, which has rank 0; of equals the first has the lower rank.
 */

import { scratch } from './first-page'

const magnitudes: u32 = 0x7fffffff

/** Where the counts of the digits stand: bits 0–10, 11–20 and 21–30 of a magnitude. */
const lowDigits: usize = scratch
const middleDigits: usize = scratch + 0x2000
const highDigits: usize = scratch + 0x3000

/** Room for the four words of one Philox block. */
const words: usize = scratch + 0x4000

/** Up to this width counting what is larger costs less than clearing the tables of digits. */
const fewest: u32 = 32

export function rankRows(x: usize, ranks: usize, order: usize, rows: u32, width: u32): void {
  const bytes = width << 2
  for (; rows > 0; rows--, x += bytes, ranks += bytes) {
    if (width <= fewest) countLarger(x, ranks, width)
    else sortRow(x, ranks, order, width)
  }
}

function countLarger(x: usize, ranks: usize, width: u32): void {
  for (let i: u32 = 0; i < width; i++) {
    const magnitude = load<u32>(x + (i << 2)) & magnitudes
    let rank: u32 = 0
    for (let j: u32 = 0; j < width; j++) {
      const other = load<u32>(x + (j << 2)) & magnitudes
      rank += u32(other > magnitude) + (u32(other == magnitude) & u32(j < i))
    }
    store<u32>(ranks + (i << 2), rank)
  }
}

/** A radix sort in three passes, each of which keeps the order of equal digits. */
function sortRow(x: usize, ranks: usize, order: usize, width: u32): void {
  memory.fill(lowDigits, 0, 0x4000)
  for (let i: u32 = 0; i < width; i++) {
    const magnitude = load<u32>(x + (i << 2)) & magnitudes
    next(lowDigits, magnitude & 0x7ff)
    next(middleDigits, (magnitude >> 11) & 0x3ff)
    next(highDigits, magnitude >> 21)
  }
  toStarts(lowDigits, 2048)
  toStarts(middleDigits, 1024)
  toStarts(highDigits, 1024)
  for (let i: u32 = 0; i < width; i++) {
    const digit = load<u32>(x + (i << 2)) & 0x7ff
    store<u32>(order + (next(lowDigits, digit) << 2), i)
  }
  for (let j: u32 = 0; j < width; j++) {
    const i = load<u32>(order + (j << 2))
    const digit = (load<u32>(x + (i << 2)) >> 11) & 0x3ff
    store<u32>(ranks + (next(middleDigits, digit) << 2), i)
  }
  for (let j: u32 = 0; j < width; j++) {
    const i = load<u32>(ranks + (j << 2))
    const digit = (load<u32>(x + (i << 2)) & magnitudes) >> 21
    store<u32>(order + (next(highDigits, digit) << 2), i)
  }
  for (let j: u32 = 0; j < width; j++) store<u32>(ranks + (load<u32>(order + (j << 2)) << 2), j)
}

/** A digit's counter before it moves on by one. */
function next(table: usize, digit: u32): u32 {
  const at = table + (digit << 2)
  const value = load<u32>(at)
  store<u32>(at, value + 1)
  return value
}

/** Turns counts into the places where each digit begins, the largest digit first. */
function toStarts(table: usize, digits: u32): void {
  let start: u32 = 0
  for (let at = table + (digits << 2) - 4; at >= table; at -= 4) {
    const count = load<u32>(at)
    store<u32>(at, start)
    start += count
  }
}

export function keepRanks(
  x: usize,
  out: usize,
  ranks: usize,
  count: u32,
  from: u32,
  to: u32,
): void {
  const first = i32x4.splat(from)
  const many = i32x4.splat(to - from)
  const whole = out + ((count & ~3) << 2)
  const end = out + (count << 2)
  for (; out < whole; x += 16, ranks += 16, out += 16) {
    const inside = i32x4.lt_u(i32x4.sub(v128.load(ranks), first), many)
    v128.store(out, v128.and(v128.load(x), inside))
  }
  for (; out < end; x += 4, ranks += 4, out += 4) {
    store<u32>(out, load<u32>(ranks) - from < to - from ? load<u32>(x) : 0)
  }
}

/** `ranks` is 0 where probabilities follow the magnitudes themselves. */
export function keepByChance(
  x: usize,
  out: usize,
  ranks: usize,
  rows: u32,
  width: u32,
  low: u32,
  high: u32,
  lane: u32,
  key0: u32,
  key1: u32,
  density: f64,
  epsilon: f64,
  kept: f32,
  byOwn: bool,
): void {
  const last = <f64>(width - 1)
  drawWords(low, high, key0, key1)
  for (; rows > 0; rows--) {
    let least = 0.0
    let span = 0.0
    if (ranks == 0) {
      least = extreme(x, width, false)
      span = extreme(x, width, true) - least
    }
    for (let i: u32 = 0; i < width; i++, x += 4, out += 4) {
      const value = load<f32>(x)
      let place = 0.5
      if (ranks != 0) {
        if (width > 1) place = (last - <f64>load<u32>(ranks)) / last
        ranks += 4
      } else if (span > 0) place = (<f64>abs(value) - least) / span
      const probability = density + epsilon * (2 * place - 1)
      const word = <f64>load<u32>(words + (lane << 2))
      let result: f32 = 0
      if (word < floor(probability * 4294967296.0)) {
        result = byOwn ? <f32>(<f64>value / probability) : kept * value
      }
      store<f32>(out, result)
      if (++lane < 4) continue
      lane = 0
      if (++low == 0) high++
      drawWords(low, high, key0, key1)
    }
  }
}

/** The largest or the smallest magnitude. */
function extreme(x: usize, count: u32, largest: bool): f64 {
  let found = load<u32>(x) & magnitudes
  for (let i: u32 = 1; i < count; i++) {
    const magnitude = load<u32>(x + (i << 2)) & magnitudes
    found = largest ? max(found, magnitude) : min(found, magnitude)
  }
  return <f64>reinterpret<f32>(found)
}

/** One block of Philox4x32-10, see ../../random.ts. */
function drawWords(low: u32, high: u32, key0: u32, key1: u32): void {
  let c0 = low
  let c1 = high
  let c2: u32 = 0
  let c3: u32 = 0
  for (let round = 0; round < 10; round++) {
    const p = <u64>0xd2511f53 * <u64>c0
    const q = <u64>0xcd9e8d57 * <u64>c2
    c0 = (<u32>(q >> 32)) ^ c1 ^ key0
    c1 = <u32>q
    c2 = (<u32>(p >> 32)) ^ c3 ^ key1
    c3 = <u32>p
    key0 += 0x9e3779b9
    key1 += 0xbb67ae85
  }
  store<u32>(words, c0)
  store<u32>(words, c1, 4)
  store<u32>(words, c2, 8)
  store<u32>(words, c3, 12)
}
