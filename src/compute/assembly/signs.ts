/**
 * Scales and signs: magnitudes summed over the elements that share a scale, scales spread over them,
 * and signs put before them. Elements share a scale in *runs*, which a row's end cuts short, or by
 * *column*. A call begins at any column of a row.
 */

import { bitAt, lanesOf } from './bits'
import { held, lanes } from './first-page'
import { sumMagnitudes } from './reduce'
import { countMagnitude } from './select'

export function sumRuns(
  x: usize,
  count: u32,
  column: u32,
  columns: u32,
  run: u32,
  sums: usize,
): void {
  while (count > 0) {
    const length = min(count, min(run - (column % run), columns - column))
    const nonzeros = length - countMagnitude(x, length, 0)
    store<f64>(sums, load<f64>(sums) + sumMagnitudes(x, length))
    store<f64>(sums, load<f64>(sums, 8) + <f64>nonzeros, 8)
    x += length << 2
    count -= length
    column += length
    if (column % run == 0 || column == columns) sums += 16
    if (column == columns) column = 0
  }
}

export function sumColumns(x: usize, count: u32, column: u32, columns: u32, sums: usize): void {
  const end = x + (count << 2)
  for (; x < end; x += 4) {
    const magnitude = abs(<f64>load<f32>(x))
    const pair = f64x2.replace_lane(f64x2.splat(magnitude), 1, <f64>u32(magnitude != 0))
    const at = sums + ((<usize>column) << 4)
    v128.store(at, f64x2.add(v128.load(at), pair))
    column = column + 1 == columns ? 0 : column + 1
  }
}

export function fillRuns(
  scales: usize,
  out: usize,
  count: u32,
  column: u32,
  columns: u32,
  run: u32,
): void {
  while (count > 0) {
    const length = min(count, min(run - (column % run), columns - column))
    const scale = v128.load32_splat(scales)
    const whole = out + ((length & ~3) << 2)
    const end = out + (length << 2)
    for (; out < whole; out += 16) v128.store(out, scale)
    for (; out < end; out += 4) v128.store32_lane(out, scale, 0)
    count -= length
    column += length
    if (column % run == 0 || column == columns) scales += 4
    if (column == columns) column = 0
  }
}

export function fillColumns(
  scales: usize,
  out: usize,
  count: u32,
  column: u32,
  columns: u32,
): void {
  while (count > 0) {
    const length = min(count, columns - column)
    memory.copy(out, scales + ((<usize>column) << 2), (<usize>length) << 2)
    out += (<usize>length) << 2
    count -= length
    column = 0
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
