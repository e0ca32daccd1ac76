import type { KeepLargest } from '../../compute/largest.ts'
import { createTrim, type Selection } from './selection.ts'
import type { Statistic } from './statistic.ts'

/** What TIES must know: what to keep of every input, and which sign a sum of zero takes. */
export interface Trimmed {
  readonly selections: readonly Selection[]
  readonly zeroSign: 1 | -1
}

/**
 * One more pass, over the trimmed inputs: the sign that most of their non-zero sums have, + in a
 * draw. It is a count, so no order of summation matters. Needs two chunks of scratch.
 */
export function majoritySign(trimmed: Statistic<readonly Selection[]>): Statistic<Trimmed> {
  return {
    ...trimmed,
    passes: trimmed.passes + 1,
    start(context) {
      const { kernels, scratch } = context
      const [sum, next] = [scratch[0]!, scratch[1]!]
      const fold = trimmed.start(context)
      let selections = trimmed.passes === 0 ? fold.value() : []
      let trims: KeepLargest[] = []
      let balance = 0
      return {
        scan(pass, spec, inputs, from, count) {
          if (pass < trimmed.passes) return fold.scan(pass, spec, inputs, from, count)
          if (from === 0) {
            trims = selections.map((chosen) => createTrim(kernels, chosen, spec.name))
          }
          inputs.forEach((input, i) => {
            trims[i]!(input, i === 0 ? sum : next, count)
            if (i > 0) kernels.addScaled(next, sum, count, 1)
          })
          kernels.packNonzero(sum, next, count)
          const nonzero = kernels.countBits(next, count)
          kernels.packSigns(sum, next, count)
          const positive = kernels.countBits(next, count) - (count - nonzero) // zeros count as +
          balance += positive - (nonzero - positive)
        },
        endPass(pass) {
          if (pass < trimmed.passes) fold.endPass(pass)
          if (pass === trimmed.passes - 1) selections = fold.value()
        },
        value: () => ({ selections, zeroSign: balance < 0 ? -1 : 1 }),
      }
    },
  }
}

/** The same without the extra pass: a sum of zero is taken as +. */
export function positiveZero(trimmed: Statistic<readonly Selection[]>): Statistic<Trimmed> {
  return {
    ...trimmed,
    start(context) {
      const fold = trimmed.start(context)
      return { ...fold, value: () => ({ selections: fold.value(), zeroSign: 1 }) }
    },
  }
}
