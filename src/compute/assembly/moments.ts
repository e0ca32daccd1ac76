/**
 * Sums in f64: element i of the whole fours goes to partial sum i mod 4; the rest follow one by one.
 */

export function sum(x: usize, count: u32): f64 {
  const whole = x + ((count & ~3) << 2)
  const end = x + (count << 2)
  let s01 = f64x2.splat(0)
  let s23 = f64x2.splat(0)
  for (; x < whole; x += 16) {
    s01 = f64x2.add(s01, doublesAt(x))
    s23 = f64x2.add(s23, doublesAt(x + 8))
  }
  let total = sumOf(s01, s23)
  for (; x < end; x += 4) total += <f64>load<f32>(x)
  return total
}

export function squaredDeviations(x: usize, count: u32, mean: f64): f64 {
  const whole = x + ((count & ~3) << 2)
  const end = x + (count << 2)
  const means = f64x2.splat(mean)
  let s01 = f64x2.splat(0)
  let s23 = f64x2.splat(0)
  for (; x < whole; x += 16) {
    s01 = f64x2.add(s01, squared(f64x2.sub(doublesAt(x), means)))
    s23 = f64x2.add(s23, squared(f64x2.sub(doublesAt(x + 8), means)))
  }
  let total = sumOf(s01, s23)
  for (; x < end; x += 4) {
    const deviation = <f64>load<f32>(x) - mean
    total += deviation * deviation
  }
  return total
}

export function squaredDistance(a: usize, b: usize, count: u32): f64 {
  const whole = a + ((count & ~3) << 2)
  const end = a + (count << 2)
  let s01 = f64x2.splat(0)
  let s23 = f64x2.splat(0)
  for (; a < whole; a += 16, b += 16) {
    s01 = f64x2.add(s01, squared(f64x2.sub(doublesAt(a), doublesAt(b))))
    s23 = f64x2.add(s23, squared(f64x2.sub(doublesAt(a + 8), doublesAt(b + 8))))
  }
  let total = sumOf(s01, s23)
  for (; a < end; a += 4, b += 4) {
    const difference = <f64>load<f32>(a) - <f64>load<f32>(b)
    total += difference * difference
  }
  return total
}

function doublesAt(x: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(x))
}

function squared(values: v128): v128 {
  return f64x2.mul(values, values)
}

function sumOf(s01: v128, s23: v128): f64 {
  const sums = f64x2.add(s01, s23)
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)
}
