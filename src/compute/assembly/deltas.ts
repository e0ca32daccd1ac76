/**
 * Between weights of any dtype and their f32 differences, in one walk over memory: pieces go
 * through room that stays in the first-level cache, and BF16, which models are mostly in, through
 * registers.
 */

import { brainsOf, narrowBf16, narrowF16, widenBf16, widenF16 } from './convert'
import { held, scratch } from './first-page'
import { add, subtract } from './linear'

/** How `open-kernels.ts` numbers the dtypes; F32 is what is left. */
const bf16: u32 = 1
const f16: u32 = 2

/** Elements per piece: 16 KiB. */
const piece: u32 = 4096

/** out = f32(post) − f32(base) */
export function difference(dtype: u32, post: usize, base: usize, out: usize, count: u32): void {
  if (dtype == bf16) {
    const whole = count & ~7
    differenceBf16(post, base, out, whole)
    post += whole << 1
    base += whole << 1
    out += whole << 2
    count -= whole
  }
  for (let left = count; left > 0;) {
    const n = min(left, piece)
    const a = widened(dtype, post, out, n)
    const b = widened(dtype, base, scratch, n)
    subtract(a, b, out, n)
    post += n * bytesOf(dtype)
    base += n * bytesOf(dtype)
    out += n << 2
    left -= n
  }
}

/** `count` is a multiple of 8. */
function differenceBf16(post: usize, base: usize, out: usize, count: u32): void {
  for (const end = out + (count << 2); out < end; post += 16, base += 16, out += 32) {
    const a0 = i32x4.shl(v128.load16x4_u(post), 16)
    const b0 = i32x4.shl(v128.load16x4_u(base), 16)
    const a1 = i32x4.shl(v128.load16x4_u(post, 8), 16)
    const b1 = i32x4.shl(v128.load16x4_u(base, 8), 16)
    v128.store(out, f32x4.sub(a0, b0))
    v128.store(out, f32x4.sub(a1, b1), 16)
  }
}

/** out = f32(base) + delta in dtype `to` */
export function applied(
  dtype: u32,
  base: usize,
  delta: usize,
  to: u32,
  out: usize,
  count: u32,
): void {
  if (dtype == bf16 && to == bf16) {
    const whole = count & ~7
    appliedBf16(base, delta, out, whole)
    base += whole << 1
    delta += whole << 2
    out += whole << 1
    count -= whole
  }
  for (let left = count; left > 0;) {
    const n = min(left, piece)
    const wide = widened(dtype, base, scratch, n)
    const sum = to == bf16 || to == f16 ? scratch : out
    add(wide, delta, sum, n)
    if (to == bf16) narrowBf16(sum, out, n)
    else if (to == f16) narrowF16(sum, out, n)
    base += n * bytesOf(dtype)
    delta += n << 2
    out += n * bytesOf(to)
    left -= n
  }
}

/** `count` is a multiple of 8. */
function appliedBf16(base: usize, delta: usize, out: usize, count: u32): void {
  const one = held(1)
  const belowHalf = held(0x7fff)
  const quiet = held(0x0040)
  for (const end = out + (count << 1); out < end; base += 16, delta += 32, out += 16) {
    const a = f32x4.add(i32x4.shl(v128.load16x4_u(base), 16), v128.load(delta))
    const b = f32x4.add(i32x4.shl(v128.load16x4_u(base, 8), 16), v128.load(delta, 16))
    const first = brainsOf(a, one, belowHalf, quiet)
    v128.store(out, i16x8.narrow_i32x4_u(first, brainsOf(b, one, belowHalf, quiet)))
  }
}

/** Where the values are as f32: in `room`, or where they are if they are that already. */
function widened(dtype: u32, source: usize, room: usize, count: u32): usize {
  if (dtype == bf16) widenBf16(source, room, count)
  else if (dtype == f16) widenF16(source, room, count)
  else return source
  return room
}

function bytesOf(dtype: u32): u32 {
  return dtype == bf16 || dtype == f16 ? 2 : 4
}
