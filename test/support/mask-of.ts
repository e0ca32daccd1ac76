import { dropThreshold, maskKey, philox } from '../../src/random.ts'

/** Element i is drawn when word i mod 4 of block ⌊i/4⌋ is below ⌊p · 2³²⌋. */
export function isDrawn(i: number, p: number, seed: number, tensor: string): boolean {
  const block = philox([Math.floor(i / 4), 0, 0, 0], maskKey(seed, tensor))
  return block[i % 4]! < dropThreshold(p)
}

/** The first seed whose mask of the tensor begins like `mask` at p = 0.5. */
export function seedThatDraws(mask: readonly boolean[], tensor: string): number {
  for (let seed = 0; ; seed++) {
    if (mask.every((drawn, i) => isDrawn(i, 0.5, seed, tensor) === drawn)) return seed
  }
}
