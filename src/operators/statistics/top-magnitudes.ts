import type { Kernels, Region } from '../../compute/kernels.ts'
import type { Statistic } from './statistic.ts'

/** Which elements of one input are its largest. */
export interface Selection {
  /** Magnitudes above this are kept, as f32 bits without the sign. */
  readonly threshold: number
  /** How many elements of exactly this magnitude are kept in a tensor, the first ones. */
  ties(tensor: string): number
}

/** Whether there is nothing to trim. */
export function keepsAll(selection: Selection): boolean {
  return selection === everything
}

export interface TopMagnitudes {
  readonly over: 'tensor' | 'all'
  /** ⌊density · elements⌋ are kept, and of equals those with the lowest index. */
  readonly density: number
  /** One more than that, and all of its equals: the threshold of the official TIES code. */
  readonly inclusive?: boolean
}

/**
 * Finds each input's largest elements exactly, by a radix histogram of the bit patterns: non-negative
 * floats are ordered as their bits are. Three passes look at 11, 10 and 10 of the 31 bits; the last
 * one counts per tensor, so that ties are handed out in the order of tensors without another pass.
 */
export function topMagnitudes(options: TopMagnitudes): Statistic<readonly Selection[]> {
  const { over, density, inclusive = false } = options
  return {
    scope: over,
    passes: density === 1 ? 0 : levels.length,
    start({ kernels, inputs, elements }) {
      if (density === 1) {
        const selections = Array.from({ length: inputs }, () => everything)
        return { scan() {}, endPass() {}, value: () => selections }
      }
      const keep = Math.floor(density * elements) + (inclusive ? 1 : 0)
      const searches = Array.from({ length: inputs }, () => createSearch(kernels, keep, inclusive))
      return {
        scan(pass, tensor, regions, _from, count) {
          searches.forEach((search, i) => search.scan(pass, tensor, regions[i]!, count))
        },
        endPass: (pass) => searches.forEach((search) => search.endPass(pass)),
        value: () => searches.map((search) => search.value()),
      }
    },
  }
}

/** Puts the selected elements of a tensor's consecutive chunks into `out` and +0 elsewhere. */
export type Trim = (x: Region, out: Region, count: number) => void

export function createTrim(kernels: Kernels, selection: Selection, tensor: string): Trim {
  let ties = selection.ties(tensor)
  return (x, out, count) => {
    ties -= kernels.keepLargest(x, out, count, selection.threshold, Math.min(ties, count))
  }
}

const everything: Selection = { threshold: 0, ties: () => Infinity }
const nothing: Selection = { threshold: 0x7fffffff, ties: () => 0 }

const levels = [
  { bits: 11, level: 0 },
  { bits: 10, level: 1 },
  { bits: 10, level: 2 },
] as const

const HISTOGRAM_ENTRIES = 2048

/** Narrows down the magnitude of rank `keep`, a piece of its bits per pass. */
function createSearch(kernels: Kernels, keep: number, inclusive: boolean) {
  const histogram = new Float64Array(HISTOGRAM_ENTRIES)
  /** Counts of the last level, by tensor. */
  const byTensor = new Map<string, Float64Array>()
  let prefix = 0
  let remaining = keep
  /** Known early: nothing is wanted, or so much that only zeros are left to choose. */
  let settled = keep === 0 ? nothing : undefined

  function scan(pass: number, tensor: string, x: Region, count: number): void {
    if (settled !== undefined) return
    const { bits, level } = levels[pass]!
    let counts: Float64Array = histogram
    if (level === 2) {
      counts = byTensor.get(tensor) ?? new Float64Array(HISTOGRAM_ENTRIES)
      byTensor.set(tensor, counts)
    }
    kernels.histogram(x, count, level, bits === 11 ? 0 : prefix, counts)
  }

  function endPass(pass: number): void {
    if (settled !== undefined) return
    const { bits } = levels[pass]!
    for (const counts of byTensor.values()) counts.forEach((n, i) => (histogram[i]! += n))
    let bucket = 2 ** bits - 1
    while (bucket >= 0 && histogram[bucket]! < remaining) remaining -= histogram[bucket--]!
    if (bucket < 0) settled = everything
    else prefix = prefix * 2 ** bits + bucket
    histogram.fill(0)
  }

  function value(): Selection {
    if (settled !== undefined) return settled
    if (inclusive) return { threshold: prefix, ties: () => Infinity }
    const last = prefix % 2 ** levels[2].bits
    const ties = new Map<string, number>()
    for (const [tensor, counts] of byTensor) {
      const kept = Math.min(remaining, counts[last]!)
      remaining -= kept
      ties.set(tensor, kept)
    }
    byTensor.clear()
    return { threshold: prefix, ties: (tensor) => ties.get(tensor) ?? 0 }
  }

  return { scan, endPass, value }
}
