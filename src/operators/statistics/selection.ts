import type { Kernels, Region } from '../../compute/kernels.ts'
import {
  createKeepLargest,
  createLargestSearch,
  everything,
  type KeepLargest,
  type Largest,
  nothing,
} from '../../compute/largest.ts'
import type { TensorSpec } from '../../tensors/tensor.ts'

/** Which elements of one input are its largest, of one tensor or of all. */
export interface Selection {
  /** Magnitudes above this are kept, as f32 bits without the sign. */
  readonly threshold: number
  /** How many elements of exactly this magnitude are kept in a tensor, the first ones. */
  ties(tensor: string): number
}

/** Nothing to trim. */
export const all: Selection = selectionOf(everything)

/** Whether there is nothing to trim. */
export function keepsAll({ threshold, ties }: Selection): boolean {
  return threshold === everything.threshold && ties('') === everything.ties
}

/** Whether nothing is kept. */
export function keepsNone({ threshold }: Selection): boolean {
  return threshold === nothing.threshold
}

/** Starts a tensor. */
export function createTrim(kernels: Kernels, selection: Selection, tensor: string): KeepLargest {
  const { threshold } = selection
  return createKeepLargest(kernels, { threshold, ties: selection.ties(tensor) })
}

/** What is selected over: each tensor by itself, or all of them as one vector. */
export type Over = 'tensor' | 'all'

/** Passes of a search; over all tensors the third counts the ties of each. */
export function searchPasses(over: Over, inclusive = false): number {
  return over === 'all' && !inclusive ? 3 : 2
}

/** Finds, for each of some numbers, so many of one input's largest elements. */
export interface SelectionSearch {
  scan(pass: number, spec: TensorSpec, x: Region, count: number): void
  endPass(pass: number): void
  /** In the order of `keeps`. */
  value(): readonly Selection[]
}

export interface SelectionInit {
  readonly over: Over
  readonly keeps: readonly number[]
  readonly inclusive?: boolean
}

/** Over all tensors, ties are handed out in the order in which tensors are shown. */
export function createSelectionSearch(
  kernels: Kernels,
  table: Region,
  { over, keeps, inclusive }: SelectionInit,
): SelectionSearch {
  const search = createLargestSearch(kernels, table, keeps, inclusive)
  const tiesIn = keeps.map(() => new Map<string, number>())
  let found: readonly Largest[] = []

  return {
    scan(pass, { name }, x, count) {
      if (pass < 2) return search.scan(x, count)
      for (const [i, largest] of found.entries()) {
        if (!isCut(largest)) continue
        const here = kernels.countMagnitude(x, count, largest.threshold)
        tiesIn[i]!.set(name, (tiesIn[i]!.get(name) ?? 0) + here)
      }
    },
    endPass(pass) {
      if (pass < 2) search.endPass()
      if (pass === 1) found = search.found()
    },
    value: () =>
      found.map((largest, i) =>
        over === 'all' && isCut(largest) ? handOut(largest, tiesIn[i]!) : selectionOf(largest),
      ),
  }
}

/** Whether only some of the elements at the threshold are kept. */
function isCut({ ties }: Largest): boolean {
  return ties > 0 && ties < Infinity
}

function selectionOf({ threshold, ties }: Largest): Selection {
  return { threshold, ties: () => ties }
}

function handOut({ threshold, ties }: Largest, tiesIn: ReadonlyMap<string, number>): Selection {
  const kept = new Map<string, number>()
  let left = ties
  for (const [tensor, found] of tiesIn) {
    kept.set(tensor, Math.min(left, found))
    left -= kept.get(tensor)!
  }
  return { threshold, ties: (tensor) => kept.get(tensor) ?? 0 }
}
