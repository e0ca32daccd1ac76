import { dropThreshold, maskKey } from '../../random.ts'
import type { Statistic } from './statistic.ts'

/** Below this mergekit does not rescale. */
const LEAST_NORM = 1e-7

/**
 * What a random mask leaves of a tensor's magnitude: ‖Δ‖₁ ÷ ‖masked Δ‖₁, mergekit's factor for DARE
 * where the paper has 1/(1 − p).
 */
export function l1Ratio(p: number, seed: number): Statistic<number> {
  return {
    scope: 'tensor',
    passes: 1,
    start({ kernels }) {
      let [before, after] = [0, 0]
      return {
        scan(_pass, tensor, [x], from, count) {
          const mask = { key: maskKey(seed, tensor), threshold: dropThreshold(p), from }
          before = kernels.sumMagnitudes(x!, count, before)
          after = kernels.sumKept(x!, count, mask, after)
        },
        endPass() {},
        value: () => (before < LEAST_NORM || after < LEAST_NORM ? 1 : before / after),
      }
    },
  }
}
