import type { Kernels, Region } from '../../compute/kernels.ts'
import { type BandSelection, createBand, magnitudeBand } from './magnitude-band.ts'
import type { Statistic } from './statistic.ts'

/** Which elements of a tensor are drawn by what they are, not by chance. */
export interface Drawing {
  /** The share drawn of the elements that are not zero; 0 where all are. */
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
      const { kernels, elements, scratch } = context
      const fold = band.start(context)
      let nonzero = 0
      return {
        ...fold,
        scan(pass, spec, inputs, from, count) {
          fold.scan(pass, spec, inputs, from, count)
          if (pass > 0) return
          kernels.packNonzero(inputs[0]!, scratch[0]!, count)
          nonzero += kernels.countBits(scratch[0]!, count)
        },
        // Zeros are the smallest, so they are drawn first.
        value: () => ({
          share: shareOf(Math.max(0, drawn(elements) - (elements - nonzero)), nonzero),
          bit: 0,
          open: markLargest(fold.value()),
        }),
      }
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

/** What each chunk shows by itself; a pass finds how much it is. Needs two chunks of scratch. */
function counted(
  bit: 0 | 1,
  mark: (kernels: Kernels, ...args: Parameters<MarkDrawn>) => void,
): Statistic<Drawing> {
  return {
    scope: 'tensor',
    passes: 1,
    start({ kernels, scratch: [marked, there] }) {
      let [drawn, nonzero] = [0, 0]
      return {
        scan(_pass, _spec, inputs, _from, count) {
          mark(kernels, inputs, marked!, count)
          kernels.packNonzero(inputs[0]!, there!, count)
          nonzero += kernels.countBits(there!, count)
          const flip = bit === 1 ? 0 : ~0
          const words = Math.ceil(count / WORD_BITS)
          for (let i = 0; i < words; i++) there!.u32[i]! &= marked!.u32[i]! ^ flip
          drawn += kernels.countBits(there!, count)
        },
        endPass() {},
        value: () => ({
          share: shareOf(drawn, nonzero),
          bit,
          open: () => (inputs, bits, count) => mark(kernels, inputs, bits, count),
        }),
      }
    },
  }
}

const WORD_BITS = 32

function shareOf(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}
