import type { Kernels, Region } from '../../src/compute/kernels.ts'
import { createRandom } from '../../src/random.ts'

/** Values at which float arithmetic changes its ways: zeros, subnormals, the largest, infinities. */
export const finiteSpecials = [
  0,
  -0,
  1,
  -1,
  2 ** -149,
  -(2 ** -149),
  2 ** -126,
  -(2 ** -126),
  2 ** -126 - 2 ** -149,
  0.5,
  -0.5,
  3.4028234663852886e38,
  -3.4028234663852886e38,
  65504,
  65519,
  65520,
  2 ** -24,
  2 ** -25,
  2 ** -14,
]

export const specials = [...finiteSpecials, Infinity, -Infinity, NaN]

/** `count` f32 values over many magnitudes from one named stream, `sprinkle` at every fifth place. */
export function sampleFloats(
  name: string,
  count: number,
  sprinkle: readonly number[] = finiteSpecials,
): Float32Array {
  const random = createRandom('test', name)
  return Float32Array.from({ length: count }, (_, i) =>
    i % 5 === 3 && sprinkle.length > 0
      ? sprinkle[((i - 3) / 5) % sprinkle.length]!
      : random.normal() * 10 ** (random.below(14) - 7),
  )
}

/** A region that holds `values`. */
export function place(kernels: Kernels, values: Float32Array | Uint8Array | Uint16Array): Region {
  const region = kernels.allocate(values.byteLength)
  region.u8.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  return region
}

/** A region of `bytes` bytes filled with a pattern, so that a write past its data shows. */
export function blank(kernels: Kernels, bytes: number): Region {
  const region = kernels.allocate(bytes)
  region.u8.fill(0xa5)
  return region
}

/** The bits of the first `count` floats: −0 and NaN payloads count. */
export function bitsOf(values: Float32Array, count = values.length): number[] {
  return [...new Uint32Array(values.slice(0, count).buffer)]
}

/** The bits of f32(value) for each value. */
export function bitsOfNumbers(values: readonly number[]): number[] {
  return bitsOf(Float32Array.from(values))
}
