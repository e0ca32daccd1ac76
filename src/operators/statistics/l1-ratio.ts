import { dropThreshold, maskKey } from '../../random.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import type { Statistic } from './statistic.ts'

/** Below this mergekit does not rescale. */
const LEAST_NORM = 1e-7

/**
 * What a random mask leaves of a tensor's magnitude: ‖Δ‖₁ ÷ ‖masked Δ‖₁, mergekit's factor for DARE
 * where the paper has 1/(1 − p). Needs one chunk of scratch.
 */
export function l1Ratio(p: number, seed: number): Statistic<number> {
  return {
    scope: 'tensor',
    passes: 1,
    start({ kernels, scratch: [masked] }) {
      let [before, after] = [0, 0]
      return {
        scan(_pass, { name }, [x], from, count) {
          const mask = { key: maskKey(seed, name), threshold: dropThreshold(p), from }
          kernels.maskedScale(x!, masked!, count, { ...mask, kept: 1, dropped: 0 })
          for (let at = 0; at < count; at += BLOCK_ELEMENTS) {
            const size = Math.min(BLOCK_ELEMENTS, count - at)
            before += kernels.sumMagnitudes(sliceRegion(x!, at * 4, size * 4), size)
            after += kernels.sumMagnitudes(sliceRegion(masked!, at * 4, size * 4), size)
          }
        },
        endPass() {},
        value: () => (before < LEAST_NORM || after < LEAST_NORM ? 1 : before / after),
      }
    },
  }
}
