import { pseudoRandom } from './numbers.ts'

/** Standard normal values by Box and Muller, for tests of distortion. */
export function gaussian(count: number, seed: number): Float32Array {
  const random = pseudoRandom(seed)
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  )
}

/** ‖Δ̂ − Δ‖² ÷ ‖Δ‖² */
export function relativeError(delta: Float32Array, decoded: ArrayLike<number>): number {
  let [error, energy] = [0, 0]
  for (const [i, value] of delta.entries()) {
    error += (value - decoded[i]!) ** 2
    energy += value ** 2
  }
  return error / energy
}
