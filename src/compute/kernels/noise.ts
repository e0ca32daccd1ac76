import type { Key } from '../../random.ts'
import { holdFloats, holds, type Region } from './region.ts'
import { philoxBlockOf } from './mask.ts'

/** Magnitudes that are drawn from a seed. */
export interface NoiseKernels {
  /**
   * x[i] = f32(f64(x[i]) · draw), where the draw of element `from` + i comes from its Philox word
   * w: without `quantiles` (w + ½) · 2⁻³¹, uniform in (0, 2); with them, between two of their
   * entries. `quantiles` holds `QUANTILES` f32, the value at w + ½ = (1 + (i mod 128) ÷ 128) ·
   * 2^(⌊i ÷ 128⌋ − 1) for every i, and values between are linear in f64. `from` is a multiple of 4.
   */
  multiplyByNoise(x: Region, count: number, noise: Noise): void
}

export interface Noise {
  readonly key: Key
  readonly from: number
  readonly quantiles?: Region | undefined
}

/** 33 octaves from ½ to 2³² in 128 steps each, and the end. */
export const QUANTILES = 33 * 128 + 1

/** What assembly/noise.ts exports. */
export interface NoiseExports {
  multiplyByNoise(
    x: number,
    count: number,
    low: number,
    high: number,
    key0: number,
    key1: number,
    quantiles: number,
  ): void
}

export function bindNoise(wasm: NoiseExports): NoiseKernels {
  return {
    multiplyByNoise(x, count, noise) {
      holdFloats(count, x)
      const { key, quantiles } = noise
      if (quantiles !== undefined) holds(quantiles, QUANTILES * 4)
      const [low, high] = philoxBlockOf(noise)
      wasm.multiplyByNoise(x.pointer, count, low, high, key[0], key[1], quantiles?.pointer ?? 0)
    },
  }
}
