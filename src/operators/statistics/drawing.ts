import type { Kernels, Region } from '../../compute/kernels.ts'
import { type BandSelection, createBand, magnitudeBand } from './magnitude-band.ts'
import type { Statistic } from './statistic.ts'

/** Which elements of a tensor are drawn by what they are, not by chance. */
export interface Drawing {
  /** The share of elements drawn. */
  readonly share: number
  /** Which bit `mark` gives to what is drawn. */
  readonly bit: 0 | 1
  /** Starts the tensor `name`: packs one bit per element of consecutive chunks. */
  open(kernels: Kernels, name: string, scratch: readonly Region[]): MarkDrawn
}

/** The regions of `scratch` and `bits` hold a chunk each; `scratch` may be overwritten. */
export type MarkDrawn = (inputs: readonly Region[], bits: Region, count: number) => void

/** Negative elements. */
export function drawnBySign(): Statistic<Drawing> {
  return counted(0, (kernels, [x], bits, count) => kernels.packSigns(x!, bits, count))
}

/** Elements at which the second input is not zero. */
export function drawnByMask(): Statistic<Drawing> {
  return counted(1, (kernels, [, mask], bits, count) => kernels.packNonzero(mask!, bits, count))
}

/** The ⌊p · n⌋ smallest magnitudes of the tensor, of equals those with the highest index. */
export function drawnByMagnitude(p: number): Statistic<Drawing> {
  const drawn = (elements: number): number => Math.floor(p * elements)
  const band = magnitudeBand('tensor', (n) => ({ skip: 0, keep: n - drawn(n) }))
  return {
    ...band,
    start(context) {
      const { elements } = context
      const fold = band.start(context)
      const share = drawn(elements) / elements
      return { ...fold, value: () => ({ share, bit: 0, open: markLargest(fold.value()) }) }
    },
  }
}

/** Gives the bit 1 to what a selection keeps. */
function markLargest(selection: BandSelection): Drawing['open'] {
  return (kernels, name, scratch) => {
    const keepLargest = createBand(kernels, selection, name, scratch)
    const [largest] = scratch
    return ([x], bits, count) => {
      keepLargest(x!, largest!, count)
      kernels.packNonzero(largest!, bits, count)
    }
  }
}

/** What each chunk shows by itself; a pass finds how much it is. Needs one chunk of scratch. */
function counted(
  bit: 0 | 1,
  mark: (kernels: Kernels, ...args: Parameters<MarkDrawn>) => void,
): Statistic<Drawing> {
  return {
    scope: 'tensor',
    passes: 1,
    start({ kernels, elements, scratch: [bits] }) {
      let ones = 0
      return {
        scan(_pass, _spec, inputs, _from, count) {
          mark(kernels, inputs, bits!, count)
          ones += kernels.countBits(bits!, count)
        },
        endPass() {},
        value: () => ({
          share: (bit === 1 ? ones : elements - ones) / elements,
          bit,
          open: () => (inputs, chunk, count) => mark(kernels, inputs, chunk, count),
        }),
      }
    },
  }
}
