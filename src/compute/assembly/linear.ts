/**
 * Sums and multiples.
 */

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
