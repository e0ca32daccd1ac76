/** Arguments up to which a value is kept; larger ones are looked up without their lowest bits. */
const KEPT = 4096

const kept = new Float64Array(KEPT + 1)

/**
 * Binary logarithm of a whole number of at least 1, within 2⁻¹⁰. What an encoder chooses decides
 * bytes, and `Math.log2` differs between machines: this is made of products alone.
 */
export function log2(n: number): number {
  let halvings = 0
  while (n > KEPT) {
    n >>= 1
    halvings++
  }
  if (kept[n] === 0 && n > 1) kept[n] = bySquares(n)
  return halvings + kept[n]!
}

/**
 * Each squaring of a number in [1, 2) moves the next binary digit of its logarithm before the
 * point.
 */
function bySquares(n: number): number {
  let result = 31 - Math.clz32(n)
  let rest = n / 2 ** result
  for (let digit = 0.5; digit > 2 ** -24; digit /= 2) {
    rest *= rest
    if (rest < 2) continue
    rest /= 2
    result += digit
  }
  return result
}
