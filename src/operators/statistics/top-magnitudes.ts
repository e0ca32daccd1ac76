import { HISTOGRAM_BYTES, type Kernels, type Region } from '../../compute/kernels.ts'
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

/** Whether nothing is kept. */
export function keepsNone(selection: Selection): boolean {
  return selection === nothing
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
 * floats are ordered as their bits are. The first pass looks at the highest 16 of the 31 bits, the
 * second at the others; over all tensors a third counts the ties of each, which are handed out in the
 * order of tensors.
 */
export function topMagnitudes(options: TopMagnitudes): Statistic<readonly Selection[]> {
  const { over, density, inclusive = false } = options
  if (density === 1) return keepEverything(over)
  return {
    scope: over,
    passes: over === 'all' && !inclusive ? 3 : 2,
    table: HISTOGRAM_BYTES,
    start({ kernels, elements, tables }) {
      const keep = Math.floor(density * elements) + (inclusive ? 1 : 0)
      const searches = tables.map((table) =>
        createSearch(kernels, table, { over, keep, inclusive }),
      )
      return {
        scan(pass, { name }, regions, _from, count) {
          searches.forEach((search, i) => search.scan(pass, name, regions[i]!, count))
        },
        endPass: (pass) => searches.forEach((search) => search.endPass(pass)),
        value: () => searches.map((search) => search.value()),
      }
    },
  }
}

function keepEverything(scope: TopMagnitudes['over']): Statistic<readonly Selection[]> {
  return {
    scope,
    passes: 0,
    start({ inputs }) {
      const selections = Array.from({ length: inputs }, () => everything)
      return { scan() {}, endPass() {}, value: () => selections }
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

const HIGH_BINS = 2 ** 16
const LOW_BINS = 2 ** 15

/** Elements after which a histogram's counts of 32 bits are put aside. */
const MOST_COUNTED = 2 ** 31

export interface SearchOptions {
  readonly over: TopMagnitudes['over']
  readonly keep: number
  readonly inclusive: boolean
}

/** Narrows down the magnitude of rank `keep`: its high bits, its low bits, where its equals are. */
export function createSearch(
  kernels: Kernels,
  table: Region,
  { over, keep, inclusive }: SearchOptions,
) {
  const counts = table.u32
  /** What they were before they were cleared in the middle of a pass. */
  let aside: Float64Array | undefined
  const tiesIn = new Map<string, number>()
  let counted = 0
  let threshold = 0
  let remaining = keep
  /** Known early: nothing is wanted, or so much that only zeros are left to choose. */
  let settled = keep === 0 ? nothing : undefined
  clear()

  function scan(pass: number, tensor: string, x: Region, count: number): void {
    if (settled !== undefined) return
    if (pass === 2) {
      const found = kernels.countMagnitude(x, count, threshold)
      tiesIn.set(tensor, (tiesIn.get(tensor) ?? 0) + found)
      return
    }
    if (counted + count > MOST_COUNTED) putAside()
    counted += count
    if (pass === 0) kernels.histogramHigh(x, count, table)
    else kernels.histogramLow(x, count, threshold, table)
  }

  function countIn(bin: number): number {
    const now = counts[bin]! + counts[bin + HIGH_BINS]!
    return aside === undefined ? now : now + aside[bin]!
  }

  function putAside(): void {
    aside = Float64Array.from({ length: HIGH_BINS }, (_, bin) => countIn(bin))
    clear()
  }

  function clear(): void {
    counts.fill(0)
    counted = 0
  }

  function endPass(pass: number): void {
    if (settled !== undefined || pass === 2) return
    const bins = pass === 0 ? HIGH_BINS : LOW_BINS
    let bin = bins - 1
    let found = countIn(bin)
    while (found < remaining && bin > 0) {
      remaining -= found
      found = countIn(--bin)
    }
    if (found < remaining) settled = everything
    threshold = threshold * bins + bin
    if (pass === 1 && (inclusive || found === remaining)) {
      settled = { threshold, ties: () => Infinity }
    }
    aside = undefined
    clear()
  }

  function value(): Selection {
    if (settled !== undefined) return settled
    if (over === 'tensor') return { threshold, ties: () => remaining }
    const kept = new Map<string, number>()
    let left = remaining
    for (const [tensor, found] of tiesIn) {
      kept.set(tensor, Math.min(left, found))
      left -= kept.get(tensor)!
    }
    return { threshold, ties: (tensor) => kept.get(tensor) ?? 0 }
  }

  return { scan, endPass, value }
}
