import type { Kernels, Region } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import type { TensorSpec } from '../../tensors/tensor.ts'
import type { Statistic } from './statistic.ts'

/** Below this mergekit does not rescale. */
const LEAST_NORM = 1e-7

/** Puts what a mask leaves of elements `from … from+count` into `out`. */
export type Mask = (x: Region, out: Region, from: number, count: number) => void

export interface L1RatioInit {
  /** Starts a tensor; `scratch` is all but the first. */
  open(kernels: Kernels, spec: TensorSpec, scratch: readonly Region[]): Mask
  /** Elements after which a chunk may end; default: a block. */
  pieceOf?(spec: TensorSpec): number
}

/**
 * What a mask leaves of a tensor's magnitude: ‖Δ‖₁ ÷ ‖masked Δ‖₁, mergekit's factor where papers
 * have the keep probability. Needs one chunk of scratch besides the mask's.
 */
export function l1Ratio({ open, pieceOf = () => BLOCK_ELEMENTS }: L1RatioInit): Statistic<number> {
  return {
    scope: 'tensor',
    passes: 1,
    start({ kernels, scratch: [masked, ...rest] }) {
      let mask: Mask
      let [before, after] = [0, 0]
      return {
        scan(_pass, spec, [x], from, count) {
          if (from === 0) mask = open(kernels, spec, rest)
          mask(x!, masked!, from, count)
          const piece = pieceOf(spec)
          for (let at = 0; at < count; at += piece) {
            const size = Math.min(piece, count - at)
            before += sumOf(kernels, x!, at, size)
            after += sumOf(kernels, masked!, at, size)
          }
        },
        endPass() {},
        value: () => (before < LEAST_NORM || after < LEAST_NORM ? 1 : before / after),
      }
    },
  }
}

function sumOf(kernels: Kernels, x: Region, from: number, count: number): number {
  let sum = 0
  for (let at = 0; at < count; at += BLOCK_ELEMENTS) {
    const size = Math.min(BLOCK_ELEMENTS, count - at)
    sum += kernels.sumMagnitudes(sliceRegion(x, (from + at) * 4, size * 4), size)
  }
  return sum
}
