/**
 * Magnitudes drawn from a seed: Philox4x32-10 words, see ../../random.ts, through the inverse of a
 * distribution.
 */

/** Multiplies each element by its draw, the block number of the first being (high, low). */
export function multiplyByNoise(
  x: usize,
  count: u32,
  low: u32,
  high: u32,
  key0: u32,
  key1: u32,
  quantiles: usize,
): void {
  const end = x + (count << 2)
  while (x < end) {
    let c0 = low
    let c1 = high
    let c2: u32 = 0
    let c3: u32 = 0
    let k0 = key0
    let k1 = key1
    for (let round = 0; round < 10; round++) {
      const p = <u64>c0 * 0xd2511f53
      const q = <u64>c2 * 0xcd9e8d57
      c0 = (<u32>(q >> 32)) ^ c1 ^ k0
      c1 = <u32>q
      c2 = (<u32>(p >> 32)) ^ c3 ^ k1
      c3 = <u32>p
      k0 += 0x9e3779b9
      k1 += 0xbb67ae85
    }
    multiply(x, c0, quantiles)
    if (x + 4 < end) multiply(x + 4, c1, quantiles)
    if (x + 8 < end) multiply(x + 8, c2, quantiles)
    if (x + 12 < end) multiply(x + 12, c3, quantiles)
    x += 16
    if (++low == 0) high++
  }
}

function multiply(x: usize, word: u32, quantiles: usize): void {
  const place = <f64>word + 0.5
  const draw = quantiles == 0 ? place * (1.0 / 2147483648.0) : quantileAt(place, quantiles)
  store<f32>(x, <f32>(<f64>load<f32>(x) * draw))
}

/** The highest bits of ½'s f64 pattern, where the table begins: sign, exponent and 7 more. */
const first: u64 = 1022 << 7

/** Between the entries around `place`: its exponent and next 7 bits find them, the rest weighs. */
function quantileAt(place: f64, quantiles: usize): f64 {
  const bits = reinterpret<u64>(place)
  const at = quantiles + ((<usize>((bits >> 45) - first)) << 2)
  const rest = reinterpret<f64>(((bits << 7) & 0x000fffffffffffff) | 0x3ff0000000000000) - 1
  const before = <f64>load<f32>(at)
  return before + (<f64>load<f32>(at, 4) - before) * rest
}
