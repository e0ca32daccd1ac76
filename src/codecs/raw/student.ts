/**
 * The distribution function of Student's t with an even number of degrees of freedom, which is made
 * of sums, products, quotients and a root alone and so is the same on every machine: with s = t ÷
 * √(ν + t²), it is ½ + ½ s Σ_{k < ν/2} C(2k, k) ((1 − s²) ÷ 4)ᵏ (Abramowitz and Stegun, 26.7.4).
 */
export function studentBelow(t: number, freedom: number): number {
  const square = freedom + t * t
  if (square === Infinity) return t > 0 ? 1 : 0
  const sine = t / Math.sqrt(square)
  const cosine2 = freedom / square
  let sum = 0
  let term = 1
  for (let k = 0; 2 * k < freedom; k++) {
    sum += term
    term *= (cosine2 * (2 * k + 1)) / (2 * k + 2)
  }
  return 0.5 + 0.5 * sine * sum
}
