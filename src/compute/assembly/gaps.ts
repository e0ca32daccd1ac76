/**
 * Golomb–Rice codes of the gaps between the ones of a bitmap, or between its zeros (`flip`).
 */

import { wordAt } from './bits'

/** Bits of a window that are there at every position within a byte. */
const window: u32 = 57

export function gapBits(bits: usize, count: u32, flip: u32, order: u32): u32 {
  let total: u32 = 0
  let next: u32 = 0
  for (let from: u32 = 0; from < count; from += 64) {
    let word = wordAt(bits, from, count, flip)
    for (; word != 0; word &= word - 1) {
      const at = from + <u32>ctz(word)
      total += ((at - next) >> order) + 1 + order
      next = at + 1
    }
  }
  return total + endZeros(next, count, order)
}

/** Writes whole words: `out` has 8 bytes more than `gapBits` says, and they become 0. */
export function encodeGaps(bits: usize, count: u32, flip: u32, order: u32, out: usize): void {
  memory.fill(out, 0, ((gapBits(bits, count, flip, order) + 7) >> 3) + 8)
  const low = ((<u64>1) << order) - 1
  let position: u32 = 0
  let next: u32 = 0
  for (let from: u32 = 0; from < count; from += 64) {
    let word = wordAt(bits, from, count, flip)
    for (; word != 0; word &= word - 1) {
      const at = from + <u32>ctz(word)
      const gap = at - next
      position += gap >> order
      const byte = out + (position >> 3)
      const code = 1 | (((<u64>gap) & low) << 1)
      store<u64>(byte, load<u64>(byte) | (code << (position & 7)))
      position += 1 + order
      next = at + 1
    }
  }
}

export function decodeGaps(
  source: usize,
  bytes: u32,
  bits: usize,
  count: u32,
  flip: u32,
  order: u32,
): i32 {
  const end = bytes << 3
  const low = ((<u64>1) << order) - 1
  const bitmapBytes = (count + 7) >> 3
  memory.fill(bits, 0, bitmapBytes)
  let position: u32 = 0
  let next: u32 = 0
  while (next < count) {
    const most = endZeros(next, count, order)
    let zeros: u32 = 0
    let run: u32 = 0
    do {
      const left = windowAt(source, position) | ((<u64>1) << window)
      run = min(<u32>ctz(left), most - zeros)
      zeros += run
      position += run
      if (position > end) return -1
    } while (run == window)
    if (zeros == most) break
    const gap = (zeros << order) + <u32>(windowAt(source, position + 1) & low)
    position += 1 + order
    const at = next + gap
    if (position > end || at >= count) return -1
    const byte = bits + (at >> 3)
    store<u8>(byte, load<u8>(byte) | (<u8>((<u32>1) << (at & 7))))
    next = at + 1
  }
  if (flip) flipBits(bits, count)
  const used = (position + 7) >> 3
  const spare = (<u32>load<u8>(source + used - 1)) >> (((position - 1) & 7) + 1)
  return spare == 0 ? used : -1
}

/** Zeros that say that no gap follows: one more than the quotient of the longest that could. */
function endZeros(next: u32, count: u32, order: u32): u32 {
  return next < count ? ((count - 1 - next) >> order) + 1 : 0
}

function windowAt(source: usize, position: u32): u64 {
  return load<u64>(source + (position >> 3)) >> (position & 7)
}

function flipBits(bits: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i += 8) {
    const used = count - i < 8 ? (1 << (count - i)) - 1 : 0xff
    const byte = bits + (i >> 3)
    store<u8>(byte, load<u8>(byte) ^ (<u8>used))
  }
}
