import { createHash } from 'node:crypto'

/**
 * Randomness that is a function of its name: Philox4x32-10 (Salmon et al., SC 2011), a block cipher
 * on a counter. Element i of a stream needs nothing but i, so that masks are the same on every
 * machine, in any order and with any number of threads.
 */

export type Key = readonly [number, number]

const M0 = 0xd2511f53
const M1 = 0xcd9e8d57
const W0 = 0x9e3779b9
const W1 = 0xbb67ae85
const ROUNDS = 10

/** One block of four 32-bit words for a counter of four and a key of two. */
export function philox(
  counter: readonly [number, number, number, number],
  key: Key,
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter
  let [k0, k1] = key
  for (let round = 0; round < ROUNDS; round++) {
    const p0 = BigInt(M0) * BigInt(c0 >>> 0)
    const p1 = BigInt(M1) * BigInt(c2 >>> 0)
    const [h0, l0] = [Number(p0 >> 32n), Number(p0 & 0xffffffffn)]
    const [h1, l1] = [Number(p1 >> 32n), Number(p1 & 0xffffffffn)]
    ;[c0, c1, c2, c3] = [(h1 ^ c1 ^ k0) >>> 0, l1, (h0 ^ c3 ^ k1) >>> 0, l0]
    k0 = (k0 + W0) >>> 0
    k1 = (k1 + W1) >>> 0
  }
  return [c0, c1, c2, c3]
}

/** First 8 bytes of SHA-256 of the parts joined by NUL, as two little-endian words. */
export function keyOf(...parts: readonly (string | number)[]): Key {
  const digest = createHash('sha256').update(parts.join('\0')).digest()
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)]
}

/** The key of a tensor's mask: SHA-256("mask\0SEED\0TENSORNAME"). */
export function maskKey(seed: number, tensorName: string): Key {
  return keyOf('mask', seed, tensorName)
}

/**
 * An element is dropped iff its word is below this; `p` in [0, 1], so the result is in [0, 2³²].
 */
export function dropThreshold(p: number): number {
  return Math.floor(p * 2 ** 32)
}

/** A sequence of draws from one named stream; for choices that are few, such as a bootstrap. */
export interface Random {
  /** A whole number in [0, 2³²). */
  word(): number
  /** Uniform in [0, 1) with 53 bits. */
  uniform(): number
  /** A whole number in [0, bound), without bias; `bound` in [1, 2³²]. */
  below(bound: number): number
  /** Standard normal, by the sum of twelve uniforms minus six: no libm, the same everywhere. */
  normal(): number
}

export function createRandom(...name: readonly (string | number)[]): Random {
  const key = keyOf('stream', ...name)
  let counter = 0
  let block: readonly number[] = []
  const word = (): number => {
    const at = counter % 4
    if (at === 0) {
      const index = counter / 4
      block = philox([index >>> 0, Math.floor(index / 2 ** 32), 0, 0], key)
    }
    counter++
    return block[at]!
  }
  const uniform = (): number => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53
  return {
    word,
    uniform,
    below(bound) {
      const limit = Math.floor(2 ** 32 / bound) * bound
      for (;;) {
        const draw = word()
        if (draw < limit) return draw % bound
      }
    },
    normal() {
      let sum = -6
      for (let i = 0; i < 12; i++) sum += uniform()
      return sum
    },
  }
}
