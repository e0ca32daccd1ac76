/**
 * Bits chosen by a mask to the front and back, 64 at a time: compress and expand of H. S. Warren,
 * Hacker's Delight, 2nd ed., 7-4 and 7-5. Each bit moves by the number of bits of the mask below it
 * that are 0, one binary digit of that number after the other.
 */

import { wordAt } from './bits'
import { scratch } from './first-page'

export function compactBits(bits: usize, mask: usize, out: usize, count: u32): u32 {
  const start = out
  let held: u64 = 0
  let used: u32 = 0
  for (let from: u32 = 0; from < count; from += 64) {
    const chosen = wordAt(mask, from, count, 0)
    const found = <u32>popcnt(chosen)
    const word = compress(load<u64>(bits + (from >> 3)), chosen)
    held |= word << used
    used += found
    if (used < 64) continue
    store<u64>(out, held)
    out += 8
    used -= 64
    held = used == 0 ? 0 : word >> (found - used)
  }
  const total = ((<u32>(out - start)) << 3) + used
  for (; used > 0; out++, held >>= 8) {
    store<u8>(out, <u8>held)
    used -= min(used, 8)
  }
  return total
}

export function expandBits(bits: usize, mask: usize, out: usize, count: u32): u32 {
  let position: u32 = 0
  for (let from: u32 = 0; from < count; from += 64, out += 8) {
    const chosen = wordAt(mask, from, count, 0)
    const word = expand(next(bits, position), chosen)
    position += <u32>popcnt(chosen)
    const left = count - from
    if (left >= 64) store<u64>(out, word)
    else for (let i: u32 = 0; i < left; i += 8) store<u8>(out + (i >> 3), <u8>(word >> i))
  }
  return position
}

/** The 64 bits from `position` on; may read up to 8 bytes past those that are needed. */
function next(bits: usize, position: u32): u64 {
  const from = bits + (position >> 3)
  const shift = <u64>(position & 7)
  const word = load<u64>(from) >> shift
  return shift == 0 ? word : word | ((<u64>load<u8>(from, 8)) << (64 - shift))
}

function compress(word: u64, mask: u64): u64 {
  let moved = word & mask
  let below = ~mask << 1
  for (let step: u64 = 1; step < 64; step <<= 1) {
    const odd = parity(below)
    const move = odd & mask
    const part = moved & move
    mask = (mask ^ move) | (move >> step)
    moved = (moved ^ part) | (part >> step)
    below &= ~odd
  }
  return moved
}

function expand(word: u64, mask: u64): u64 {
  const chosen = mask
  let below = ~mask << 1
  let at = scratch
  for (let step: u64 = 1; step < 64; step <<= 1, at += 8) {
    const odd = parity(below)
    const move = odd & mask
    store<u64>(at, move)
    mask = (mask ^ move) | (move >> step)
    below &= ~odd
  }
  for (let step: u64 = 32; step > 0; step >>= 1) {
    at -= 8
    const move = load<u64>(at)
    word = ((word << step) & move) | (word & ~move)
  }
  return word & chosen
}

/** For each bit whether the bits up to it hold an odd number of ones. */
function parity(bits: u64): u64 {
  bits ^= bits << 1
  bits ^= bits << 2
  bits ^= bits << 4
  bits ^= bits << 8
  bits ^= bits << 16
  return bits ^ (bits << 32)
}
