/**
 * The kernels of `../kernels.ts` in AssemblyScript: raw pointers, no garbage collector, fixed-width
 * SIMD. What the compiler may not do keeps the bytes the same everywhere: no relaxed SIMD, no fused
 * multiply-add, no reordering of sums. Loops work on whole vectors and finish one element at a time
 * with the same arithmetic, so a split never shows. Nothing is written past `count`.
 *
 * The memory's first page belongs to this file; regions begin after it.
 */

/** Two tables of sixteen shuffles, one for every choice of four lanes; see `compact` and `expand`. */
const gathers: usize = 0x0400
const spreads: usize = 0x0500

/** Four vectors with one bit of sixteen in each lane, lowest first. */
const lanes: usize = 0x0600

/** A vector each: see `held` and the conversions. */
const literal: usize = 0x0640
const padded: usize = 0x0650
const converted: usize = 0x0660

/** 32 KiB for tables that last one call. */
export const scratch: usize = 0x4000

for (let choice: usize = 0; choice < 16; choice++) {
  let taken: u32 = 0
  store<u64>(gathers + choice * 16, -1)
  store<u64>(gathers + choice * 16, -1, 8)
  store<u64>(spreads + choice * 16, -1)
  store<u64>(spreads + choice * 16, -1, 8)
  for (let lane: u32 = 0; lane < 4; lane++) {
    if (!((choice >> lane) & 1)) continue
    store<u32>(gathers + choice * 16 + taken * 4, 0x03020100 + lane * 0x04040404)
    store<u32>(spreads + choice * 16 + lane * 4, 0x03020100 + taken * 0x04040404)
    taken++
  }
}

v128.store(lanes, i32x4(1 << 0, 1 << 1, 1 << 2, 1 << 3))
v128.store(lanes, i32x4(1 << 4, 1 << 5, 1 << 6, 1 << 7), 16)
v128.store(lanes, i32x4(1 << 8, 1 << 9, 1 << 10, 1 << 11), 32)
v128.store(lanes, i32x4(1 << 12, 1 << 13, 1 << 14, 1 << 15), 48)

/**
 * `bits` in every lane, by way of memory: V8 would build a literal anew at each use inside a loop,
 * which costs the conversions a third of their speed.
 */
function held(bits: u32): v128 {
  store<u32>(literal, bits)
  return v128.load32_splat(literal)
}

// Conversions: what is left after the last whole vector goes through a padded copy

export function copy(source: usize, out: usize, bytes: u32): void {
  memory.copy(out, source, bytes)
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
    const floats = v128.load(source)
    const cut = i32x4.shr_u(floats, 16)
    const half = i32x4.add(belowHalf, v128.and(cut, one))
    const rounded = i32x4.shr_u(i32x4.add(floats, half), 16)
    const nan = v128.or(cut, quiet)
    const brains = v128.bitselect(nan, rounded, f32x4.ne(floats, floats))
    v128.store64_lane(out, i16x8.narrow_i32x4_u(brains, brains), 0)
  }
  const left = count & 3
  if (left == 0) return
  memory.copy(padded, source, left << 2)
  narrowBf16(padded, converted, 4)
  memory.copy(out, converted, left << 1)
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

// Linear arithmetic

export function subtract(a: usize, b: usize, out: usize, count: u32): void {
  const whole = out + ((count & ~3) << 2)
  const end = out + (count << 2)
  for (; out < whole; a += 16, b += 16, out += 16) {
    v128.store(out, f32x4.sub(v128.load(a), v128.load(b)))
  }
  for (; out < end; a += 4, b += 4, out += 4) store<f32>(out, load<f32>(a) - load<f32>(b))
}

export function add(a: usize, b: usize, out: usize, count: u32): void {
  const whole = out + ((count & ~3) << 2)
  const end = out + (count << 2)
  for (; out < whole; a += 16, b += 16, out += 16) {
    v128.store(out, f32x4.add(v128.load(a), v128.load(b)))
  }
  for (; out < end; a += 4, b += 4, out += 4) store<f32>(out, load<f32>(a) + load<f32>(b))
}

export function scale(x: usize, out: usize, count: u32, factor: f32): void {
  const factors = f32x4.splat(factor)
  const whole = out + ((count & ~3) << 2)
  const end = out + (count << 2)
  for (; out < whole; x += 16, out += 16) v128.store(out, f32x4.mul(factors, v128.load(x)))
  for (; out < end; x += 4, out += 4) store<f32>(out, factor * load<f32>(x))
}

export function addScaled(x: usize, y: usize, count: u32, factor: f32): void {
  const factors = f32x4.splat(factor)
  const whole = y + ((count & ~3) << 2)
  const end = y + (count << 2)
  for (; y < whole; x += 16, y += 16) {
    v128.store(y, f32x4.add(v128.load(y), f32x4.mul(factors, v128.load(x))))
  }
  for (; y < end; x += 4, y += 4) store<f32>(y, load<f32>(y) + factor * load<f32>(x))
}

// Seeded masks

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
  const end = out + (count << 2)
  while (out < end) {
    let drop = wordsUpTo(last, low, high, key0, key1) & some
    low += 8
    if (low < 8) high++
    const stop = min(out + 128, end)
    for (; stop - out >= 64; x += 64, out += 64, drop >>= 16) {
      const bits = i32x4.splat(drop)
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

// Order statistics of magnitudes

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

// Sign election

/**
 * `scratch` holds the inputs' pointers, then their weights as f32. `zeroPositive` is what a sum of 0
 * elects. Two vectors at a time share the walk through the tables.
 */
export function electAndMerge(
  inputs: u32,
  out: usize,
  count: u32,
  weighted: bool,
  zeroPositive: bool,
  normalize: bool,
  lambda: f32,
): void {
  const bytes = count << 2
  const whole = bytes & ~31
  const weights = scratch + (inputs << 2)
  const size = inputs << 2
  const zero = f32x4.splat(0)
  const one = held(0x3f800000)
  const tiny = held(reinterpret<u32>(<f32>1e-8))
  const signBit = held(0x80000000)
  const tie = zeroPositive ? zero : signBit
  const factor = f32x4.splat(lambda)
  let at: usize = 0
  for (; at < whole; at += 32) {
    let vote0 = zero
    let vote1 = zero
    for (let i: usize = 0; i < size; i += 4) {
      const x = load<usize>(scratch + i) + at
      let x0 = v128.load(x)
      let x1 = v128.load(x, 16)
      if (weighted) {
        const weight = v128.load32_splat(weights + i)
        x0 = f32x4.mul(weight, x0)
        x1 = f32x4.mul(weight, x1)
      }
      vote0 = f32x4.add(vote0, x0)
      vote1 = f32x4.add(vote1, x1)
    }
    // An input agrees when it is above 0 after its sign is flipped by the elected one's.
    const sign0 = v128.bitselect(tie, v128.and(vote0, signBit), f32x4.eq(vote0, zero))
    const sign1 = v128.bitselect(tie, v128.and(vote1, signBit), f32x4.eq(vote1, zero))
    let sum0 = zero
    let sum1 = zero
    let share0 = zero
    let share1 = zero
    for (let i: usize = 0; i < size; i += 4) {
      const x = load<usize>(scratch + i) + at
      const weight = v128.load32_splat(weights + i)
      let x0 = v128.load(x)
      let x1 = v128.load(x, 16)
      const y0 = f32x4.mul(weight, x0)
      const y1 = f32x4.mul(weight, x1)
      if (weighted) {
        x0 = y0
        x1 = y1
      }
      const agree0 = f32x4.gt(v128.xor(x0, sign0), zero)
      const agree1 = f32x4.gt(v128.xor(x1, sign1), zero)
      sum0 = f32x4.add(sum0, v128.and(y0, agree0))
      sum1 = f32x4.add(sum1, v128.and(y1, agree1))
      share0 = f32x4.add(share0, v128.and(weight, agree0))
      share1 = f32x4.add(share1, v128.and(weight, agree1))
    }
    if (normalize) {
      // A share of about 0 (no input agrees, or weights cancel) divides by 1.
      const none0 = f32x4.lt(f32x4.abs(share0), tiny)
      const none1 = f32x4.lt(f32x4.abs(share1), tiny)
      sum0 = f32x4.div(sum0, v128.bitselect(one, share0, none0))
      sum1 = f32x4.div(sum1, v128.bitselect(one, share1, none1))
    }
    v128.store(out + at, f32x4.mul(factor, sum0))
    v128.store(out + at, f32x4.mul(factor, sum1), 16)
  }
  for (; at < bytes; at += 4) {
    electOne(inputs, out, at, weighted, zeroPositive, normalize, lambda)
  }
}

function electOne(
  inputs: u32,
  out: usize,
  at: usize,
  weighted: bool,
  zeroPositive: bool,
  normalize: bool,
  lambda: f32,
): void {
  const weights = scratch + (inputs << 2)
  const size = inputs << 2
  let vote: f32 = 0
  for (let i: usize = 0; i < size; i += 4) {
    const x = load<f32>(load<usize>(scratch + i) + at)
    vote += weighted ? load<f32>(weights + i) * x : x
  }
  const positive = vote > 0 || (vote == 0 && zeroPositive)
  let sum: f32 = 0
  let share: f32 = 0
  for (let i: usize = 0; i < size; i += 4) {
    const weight = load<f32>(weights + i)
    const x = load<f32>(load<usize>(scratch + i) + at)
    const y = weight * x
    const voter = weighted ? y : x
    if (positive ? voter > 0 : voter < 0) {
      sum += y
      share += weight
    }
  }
  if (normalize && !(abs(share) < <f32>1e-8)) sum /= share
  store<f32>(out + at, lambda * sum)
}

// Bit planes: bit i is bit i mod 8 of byte ⌊i ÷ 8⌋, and spare bits of the last byte are 0

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

export function countBits(bits: usize, count: u32): u32 {
  const whole = bits + ((count & ~63) >> 3)
  let total: u32 = 0
  for (; bits < whole; bits += 8) total += <u32>popcnt(load<u64>(bits))
  for (let i: u32 = 0; i < (count & 63); i++) total += bitAt(bits, i)
  return total
}

function bitAt(bits: usize, i: u32): u32 {
  return ((<u32>load<u8>(bits + (i >> 3))) >> (i & 7)) & 1
}

/** The first min(count, 16) bits of `value`, in as many bytes as they need. */
function storeBits(bits: usize, value: u32, count: u32): void {
  if (count >= 16) {
    store<u16>(bits, value)
    return
  }
  const used = value & ((1 << count) - 1)
  if (count > 0) store<u8>(bits, used)
  if (count > 8) store<u8>(bits, used >> 8, 1)
}

/** Sixteen lane masks as bits. */
function bitsOf(first: v128, second: v128, third: v128, fourth: v128): u32 {
  const low = i16x8.narrow_i32x4_s(first, second)
  const high = i16x8.narrow_i32x4_s(third, fourth)
  return i8x16.bitmask(i8x16.narrow_i16x8_s(low, high))
}

/** −1 in the lanes whose bit is set. */
function lanesOf(bits: v128, lane: v128): v128 {
  return i32x4.eq(v128.and(bits, lane), lane)
}

// Reductions: element i of the whole eights goes to partial sum i mod 8; the rest follow one by one

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

function doublesAt(x: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(x))
}

function sumOf(s01: v128, s23: v128, s45: v128, s67: v128): f64 {
  const sums = f64x2.add(f64x2.add(s01, s23), f64x2.add(s45, s67))
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)
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

// Exact differences: the bit pattern as a whole number in the order of the values

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
