import { modelBytes } from '../../compute/kernels/entropy.ts'
import type { Kernels, Region } from '../../compute/kernels.ts'

/** Which model codes a difference whose base has a given exponent. */
export interface ExponentModels {
  /** The frequencies of each. */
  readonly models: readonly Uint16Array[]
  /** The model of each of 256 exponents. */
  readonly map: Uint8Array
}

/** A model of 12 bits takes 5 KiB; all that are in use at once stay in the second-level cache. */
export const MODEL_BITS = 12

/** Weights of one tensor have some 20 exponents. */
export const MAX_MODELS = 32

/** Of BF16 and F32; F16 has 32. */
export const EXPONENTS = 256

export function modelsBytes({ models }: ExponentModels): number {
  return models.length * modelBytes(MODEL_BITS)
}

/** Fills `into`, of `modelsBytes`, with the models one behind the other, and `map`. */
export function loadModels(
  kernels: Kernels,
  { models, map: exponents }: ExponentModels,
  into: Region,
  map: Region,
): void {
  for (const [i, values] of models.entries()) kernels.buildModel(values, into, i, MODEL_BITS)
  map.u8.set(exponents)
}
