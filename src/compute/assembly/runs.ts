/**
 * Magnitudes summed over the elements that share a scale, and scales spread over them. Elements share
 * a scale in *runs*, which a row's end cuts short, or by *column*. A call begins at any column of a row.
 */

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
