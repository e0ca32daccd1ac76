import type { WeightDType } from '../../src/tensors/dtype.ts'
import { dropThreshold, maskKey } from '../../src/random.ts'

/** Naive arithmetic that codecs are compared with; nothing here is shared with the code under test. */

/** f32 of one BF16 or F16 bit pattern, by the definition of the format. */
export function widenHalf(dtype: 'BF16' | 'F16', bits: number): number {
  const [exponentBits, fractionBits] = dtype === 'BF16' ? [8, 7] : [5, 10]
  const sign = bits >> 15 === 0 ? 1 : -1
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1)
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits
  const bias = 2 ** (exponentBits - 1) - 1
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0
    ? sign * fraction * 2 ** (1 - bias)
    : sign * (1 + fraction) * 2 ** (exponent - bias)
}

/** The nearest value of a dtype with 16 bits, ties to even, by its spacing near `value`. */
export function roundHalf(dtype: 'BF16' | 'F16', value: number): number {
  const [minExponent, fractionBits] = dtype === 'BF16' ? [-126, 7] : [-14, 10]
  if (value === 0) return value
  const exponent = Math.max(minExponent, Math.floor(Math.log2(Math.abs(value))))
  const step = 2 ** (exponent - fractionBits)
  const steps = Math.abs(value) / step
  const floor = Math.floor(steps)
  const rest = steps - floor
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0)
  return Math.sign(value) * (up ? floor + 1 : floor) * step
}

export function widenBytes(dtype: WeightDType, bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return dtype === 'F32'
    ? Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(i * 4, true))
    : Float32Array.from({ length: bytes.length / 2 }, (_, i) =>
        widenHalf(dtype, view.getUint16(i * 2, true)),
      )
}

export function subtract(post: Float32Array, base: Float32Array): Float32Array {
  return post.map((value, i) => value - base[i]!)
}

/** The seeded mask by its definition: 1 where an element is kept. */
export function naiveMask(seed: number, name: string, drop: number, count: number): Uint8Array {
  const threshold = dropThreshold(drop)
  const key = maskKey(seed, name)
  const kept = new Uint8Array(count)
  for (let i = 0; i < count; i++) {
    if (i % 4 === 0) words = philoxBlock(i / 4, key[0], key[1])
    kept[i] = words[i % 4]! < threshold ? 0 : 1
  }
  return kept
}

/** Philox word i of a key. */
export function naiveWord(key: readonly [number, number], i: number): number {
  return philoxBlock(Math.floor(i / 4), key[0], key[1])[i % 4]!
}

let words: readonly number[] = []

function philoxBlock(block: number, key0: number, key1: number): number[] {
  let [a, b, c, d] = [block, 0, 0, 0]
  let [k0, k1] = [key0, key1]
  for (let round = 0; round < 10; round++) {
    const [h0, l0] = multiply(0xd2511f53, a)
    const [h1, l1] = multiply(0xcd9e8d57, c)
    ;[a, b, c, d] = [(h1 ^ b ^ k0) >>> 0, l1, (h0 ^ d ^ k1) >>> 0, l0]
    k0 = (k0 + 0x9e3779b9) >>> 0
    k1 = (k1 + 0xbb67ae85) >>> 0
  }
  return [a, b, c, d]
}

/** High and low word of a 64-bit product, by halves. */
function multiply(a: number, b: number): [number, number] {
  const low = Math.imul(a, b) >>> 0
  const middle = (a >>> 16) * (b & 0xffff) + Math.floor(((a & 0xffff) * (b & 0xffff)) / 65_536)
  const cross = (a & 0xffff) * (b >>> 16) + (middle % 65_536)
  const high = (a >>> 16) * (b >>> 16) + Math.floor(middle / 65_536) + Math.floor(cross / 65_536)
  return [high >>> 0, low]
}

/** A small fixed generator (mulberry32) of numbers in [0, 1). */
export function pseudoRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Independent normal values by Box and Muller. */
export function normalFloats(count: number, seed: number): Float32Array {
  const random = pseudoRandom(seed)
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  )
}

/** Order-0 entropy of symbols in bits, all of them together. */
export function entropyBits(symbols: Iterable<number>): number {
  const [bytes, others] = [new Float64Array(256), new Map<number, number>()]
  let total = 0
  for (const symbol of symbols) {
    if (symbol < 256 && Number.isInteger(symbol) && symbol >= 0) bytes[symbol]!++
    else others.set(symbol, (others.get(symbol) ?? 0) + 1)
    total++
  }
  const counts = [...bytes, ...others.values()].filter((count) => count > 0)
  return counts.reduce((sum, count) => sum + count * Math.log2(total / count), 0)
}
