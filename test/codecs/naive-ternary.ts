import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'

export interface NaiveTernary {
  readonly density: number
  readonly std?: boolean
  readonly official?: boolean
  readonly factor?: number
}

/** Ternary compression by its definition: sorts magnitudes, ties by the lowest index. */
export function naiveTernary(delta: Float32Array, options: NaiveTernary): Float32Array {
  const { density, std = false, official = false, factor = 1 } = options
  const order = [...delta.keys()].sort((a, b) => Math.abs(delta[b]!) - Math.abs(delta[a]!) || a - b)
  let keep = Math.floor(density * delta.length)
  if (official && delta.length > 0) {
    const least = Math.abs(delta[order[keep]!]!)
    while (keep < delta.length && Math.abs(delta[order[keep]!]!) === least) keep++
  }
  const kept = new Set(order.slice(0, keep).filter((i) => delta[i] !== 0))
  const values = delta.map((value, i) => (kept.has(i) ? value : 0))
  const mean = kept.size === 0 ? 0 : blockSum(values, Math.abs) / kept.size
  const scale = Math.fround(factor * (std ? deviation(delta) : mean))
  return values.map((value) => (scale === 0 ? 0 : Math.sign(value) * scale))
}

function deviation(delta: Float32Array): number {
  if (delta.length < 2) return 0
  const mean = blockSum(delta, (value) => value) / delta.length
  return Math.sqrt(blockSum(delta, (value) => (value - mean) ** 2) / (delta.length - 1))
}

/** A sum in f64; where the order of additions shows, that of the kernels is not this one. */
function blockSum(values: Float32Array, term: (value: number) => number): number {
  let sum = 0
  for (let from = 0; from < values.length; from += BLOCK_ELEMENTS) {
    sum += values
      .subarray(from, from + BLOCK_ELEMENTS)
      .reduce((total, value) => total + term(value), 0)
  }
  return sum
}
