/**
 * Whole numbers in groups that share a scale: runs of a row of `columns`, as in `runs.ts`. A call
 * begins at any column of a row; the first entry of what is kept per group belongs to the group of the
 * first element.
 */

export function groupExtremes(
  x: usize,
  count: u32,
  column: u32,
  columns: u32,
  run: u32,
  lows: usize,
  highs: usize,
): void {
  while (count > 0) {
    const left = leftInRun(column, columns, run)
    const size = min(count, left)
    const end = x + (size << 2)
    const whole = x + ((size & ~3) << 2)
    let lowest = f32x4.splat(load<f32>(lows))
    let highest = f32x4.splat(load<f32>(highs))
    for (; x < whole; x += 16) {
      const values = v128.load(x)
      lowest = f32x4.min(lowest, values)
      highest = f32x4.max(highest, values)
    }
    for (; x < end; x += 4) {
      const value = v128.load32_splat(x)
      lowest = f32x4.min(lowest, value)
      highest = f32x4.max(highest, value)
    }
    store<f32>(lows, leastOf(lowest))
    store<f32>(highs, greatestOf(highest))
    count -= size
    column = column + size == columns ? 0 : column + size
    if (size == left) {
      lows += 4
      highs += 4
    }
  }
}

export function quantise(
  x: usize,
  codes: usize,
  count: u32,
  column: u32,
  columns: u32,
  run: u32,
  scales: usize,
  zeros: usize,
  first: f32,
  last: f32,
): void {
  const least = f32x4.splat(first)
  const most = f32x4.splat(last)
  while (count > 0) {
    const left = leftInRun(column, columns, run)
    const size = min(count, left)
    const scale = load<f32>(scales)
    // Every element of a group without a scale is 0.
    const divisor = f32x4.splat(scale == 0 ? 1 : scale)
    const zero = v128.load32_splat(zeros)
    const end = x + (size << 2)
    const whole = x + ((size & ~3) << 2)
    for (; x < whole; x += 16, codes += 4) {
      store<u32>(codes, codesOf(v128.load(x), divisor, zero, least, most))
    }
    for (; x < end; x += 4, codes++) {
      store<u8>(codes, codesOf(v128.load32_splat(x), divisor, zero, least, most))
    }
    count -= size
    column = column + size == columns ? 0 : column + size
    if (size == left) {
      scales += 4
      zeros += 4
    }
  }
}

export function dequantise(
  codes: usize,
  out: usize,
  count: u32,
  column: u32,
  columns: u32,
  run: u32,
  scales: usize,
  zeros: usize,
): void {
  while (count > 0) {
    const left = leftInRun(column, columns, run)
    const size = min(count, left)
    const scale = v128.load32_splat(scales)
    const zero = v128.load32_splat(zeros)
    const end = out + (size << 2)
    const whole = out + ((size & ~3) << 2)
    for (; out < whole; out += 16, codes += 4) {
      v128.store(out, valuesOf(v128.load32_zero(codes), scale, zero))
    }
    for (; out < end; out += 4, codes++) {
      v128.store32_lane(out, valuesOf(v128.load8_splat(codes), scale, zero), 0)
    }
    count -= size
    column = column + size == columns ? 0 : column + size
    if (size == left) {
      scales += 4
      zeros += 4
    }
  }
}

/** Eight codes fill `bits` bytes. Writes whole words: `out` has 8 bytes more than the codes take. */
export function packCodes(codes: usize, out: usize, count: u32, bits: u32): void {
  for (let i: u32 = 0; i < count; i += 8, out += bits) {
    let word: u64 = 0
    const size = min(count - i, 8)
    for (let j: u32 = 0; j < size; j++) word |= (<u64>load<u8>(codes + i + j)) << (j * bits)
    store<u64>(out, word)
  }
}

export function unpackCodes(packed: usize, codes: usize, count: u32, bits: u32): void {
  const low = ((<u64>1) << bits) - 1
  for (let i: u32 = 0; i < count; i += 8, packed += bits) {
    const word = load<u64>(packed)
    const size = min(count - i, 8)
    for (let j: u32 = 0; j < size; j++) store<u8>(codes + i + j, <u8>((word >> (j * bits)) & low))
  }
}

function leftInRun(column: u32, columns: u32, run: u32): u32 {
  return min(run - (column % run), columns - column)
}

/** Four codes in the bytes of a word, the first lowest. */
function codesOf(values: v128, divisor: v128, zero: v128, least: v128, most: v128): u32 {
  const steps = f32x4.add(f32x4.nearest(f32x4.div(values, divisor)), zero)
  const codes = i32x4.trunc_sat_f32x4_s(f32x4.min(f32x4.max(steps, least), most))
  const halves = i16x8.narrow_i32x4_s(codes, codes)
  return i32x4.extract_lane(i8x16.narrow_i16x8_u(halves, halves), 0)
}

function valuesOf(codes: v128, scale: v128, zero: v128): v128 {
  const wide = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(codes))
  return f32x4.mul(scale, f32x4.sub(f32x4.convert_i32x4_u(wide), zero))
}

function leastOf(values: v128): f32 {
  return min(
    min(f32x4.extract_lane(values, 0), f32x4.extract_lane(values, 1)),
    min(f32x4.extract_lane(values, 2), f32x4.extract_lane(values, 3)),
  )
}

function greatestOf(values: v128): f32 {
  return max(
    max(f32x4.extract_lane(values, 0), f32x4.extract_lane(values, 1)),
    max(f32x4.extract_lane(values, 2), f32x4.extract_lane(values, 3)),
  )
}
