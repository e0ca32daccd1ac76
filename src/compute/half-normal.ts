import { QUANTILES } from './kernels/noise.ts'

/**
 * Quantiles of the half-normal distribution of mean 1, |N(0, π/2)|, for `multiplyByNoise`: entry i
 * is the value that a draw exceeds with probability v = (1 + (i mod 128) ÷ 128) · 2^(⌊i ÷ 128⌋ −
 * 33), rounded to f32. Computed with + − × ÷ and √ alone, in one order: the same everywhere.
 * Between two entries the value is linear, at most 10⁻⁵ above the true one, so that draws have mean
 * 1 and variance π/2 − 1 within 10⁻⁵; the largest draw is 8.08.
 */
export function halfNormalQuantiles(): Float32Array<ArrayBuffer> {
  table ??= computeQuantiles()
  return table
}

let table: Float32Array<ArrayBuffer> | undefined

function computeQuantiles(): Float32Array<ArrayBuffer> {
  const quantiles = new Float32Array(QUANTILES)
  // From v = 1 downwards; each root is sought from the one before, which is lower.
  let z = 0
  for (let i = QUANTILES - 2; i >= 0; i--) {
    const place = (1 + (i % STEPS) / STEPS) * 2 ** (Math.floor(i / STEPS) - OCTAVES)
    for (let step = 0; step < NEWTON_STEPS; step++) z += (exceeds(z) - place) / density(z)
    quantiles[i] = z * Math.sqrt(Math.PI / 2)
  }
  return quantiles
}

const STEPS = 128
const OCTAVES = 33

/** Newton's method on a convex falling function comes from below and doubles its digits. */
const NEWTON_STEPS = 5

/** The probability of |N(0, 1)| > z: a series near 0, a continued fraction further out. */
function exceeds(z: number): number {
  if (z < 2.5) {
    let term = z
    let sum = z
    for (let n = 3; n < 80; n += 2) {
      term *= (z * z) / n
      sum += term
    }
    return 1 - density(z) * sum
  }
  let fraction = z
  for (let n = 60; n > 0; n--) fraction = z + n / fraction
  return density(z) / fraction
}

/** The density of |N(0, 1)|. */
function density(z: number): number {
  return Math.sqrt(2 / Math.PI) * exponentialOf((z * z) / 2)
}

/** e^−y for 0 ≤ y ≤ 32: the series of e^−y/64, squared six times. */
function exponentialOf(y: number): number {
  const part = -y / 64
  let term = 1
  let sum = 1
  for (let n = 1; n < 20; n++) {
    term *= part / n
    sum += term
  }
  for (let square = 0; square < 6; square++) sum *= sum
  return sum
}
