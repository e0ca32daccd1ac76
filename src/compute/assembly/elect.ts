/**
 * The last two steps of TIES (Yadav et al., NeurIPS 2023): elect a sign, average those that agree.
 */

import { held } from './first-page'

/**
 * `table` holds the inputs' pointers, then their weights as f32; it is only read. The inputs'
 * elements are those from `first` on. `zeroPositive` is what a sum of 0 elects.
 * Two vectors at a time share the walk through the table.
 */
export function electAndMerge(
  table: usize,
  inputs: u32,
  first: u32,
  out: usize,
  count: u32,
  weighted: bool,
  zeroPositive: bool,
  normalize: bool,
  lambda: f32,
): void {
  let from: usize = first << 2
  const end = from + (count << 2)
  const whole = from + ((count & ~7) << 2)
  const weights = table + (inputs << 2)
  const size = inputs << 2
  const zero = f32x4.splat(0)
  const one = held(0x3f800000)
  const tiny = held(reinterpret<u32>(<f32>1e-8))
  const signBit = held(0x80000000)
  const tie = zeroPositive ? zero : signBit
  const factor = f32x4.splat(lambda)
  for (; from < whole; from += 32, out += 32) {
    let vote0 = zero
    let vote1 = zero
    for (let i: usize = 0; i < size; i += 4) {
      const x = load<usize>(table + i) + from
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
      const x = load<usize>(table + i) + from
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
    v128.store(out, f32x4.mul(factor, sum0))
    v128.store(out, f32x4.mul(factor, sum1), 16)
  }
  for (; from < end; from += 4, out += 4) {
    electOne(table, inputs, from, out, weighted, zeroPositive, normalize, lambda)
  }
}

function electOne(
  table: usize,
  inputs: u32,
  from: usize,
  out: usize,
  weighted: bool,
  zeroPositive: bool,
  normalize: bool,
  lambda: f32,
): void {
  const weights = table + (inputs << 2)
  const size = inputs << 2
  let vote: f32 = 0
  for (let i: usize = 0; i < size; i += 4) {
    const x = load<f32>(load<usize>(table + i) + from)
    vote += weighted ? load<f32>(weights + i) * x : x
  }
  const positive = vote > 0 || (vote == 0 && zeroPositive)
  let sum: f32 = 0
  let share: f32 = 0
  for (let i: usize = 0; i < size; i += 4) {
    const weight = load<f32>(weights + i)
    const x = load<f32>(load<usize>(table + i) + from)
    const y = weight * x
    const voter = weighted ? y : x
    if (positive ? voter > 0 : voter < 0) {
      sum += y
      share += weight
    }
  }
  if (normalize && !(abs(share) < <f32>1e-8)) sum /= share
  store<f32>(out, lambda * sum)
}
