import type { ElectAndMerge, Region } from '../compute/kernels.ts'
import { emitElection } from './graphs/elect.ts'
import { largestGraph } from './graphs/largest.ts'
import { defineOperator, type Mode } from './index.ts'
import { majoritySign, positiveZero, type Trimmed } from './statistics/majority-sign.ts'
import { createTrim, keepsAll } from './statistics/selection.ts'
import { topMagnitudes } from './statistics/top-magnitudes.ts'

/**
 * Trim, elect a sign per element, merge what agrees with it (Yadav et al., NeurIPS 2023).
 *
 * - paper: the inputs vote unweighted and a sum of zero takes the majority sign of the vector;
 * - official: the same, but the authors' code keeps one element more than ⌊density · n⌋ and all of
 *   that one's equals (it compares with ≥ the value below);
 * - mergekit: trims tensor by tensor, if at all, weighs before the vote, and a sum of zero is +.
 */
export const operator = defineOperator({
  id: 'ties',
  kind: 'merge',
  about: 'merges what agrees in sign after dropping what is small',
  reference: 'https://arxiv.org/abs/2306.01708',
  parameters: {
    density: { type: 'number', default: 0.2, min: 0, max: 1, about: 'share of elements kept' },
    lambda: { type: 'number', default: 1, min: -4, max: 4, about: 'factor of the whole result' },
    weights: {
      type: 'numbers',
      default: [],
      min: -16,
      max: 16,
      about: 'one factor per input; none means 1 for each',
    },
    over: {
      type: 'choice',
      default: 'all',
      options: ['all', 'tensor'],
      about: 'the vector that is trimmed and has a majority: all tensors together, or each',
    },
    merge: {
      type: 'choice',
      default: 'mean',
      options: ['mean', 'sum'],
      about: 'whether the agreeing inputs are averaged or added',
    },
  },
  defaults: { mergekit: { over: 'tensor', density: 1 } },
  identity: { density: 1, lambda: 1 },
  scope: 'all',
  symmetric: true,
  scratch: (inputs, mode) => (mode === 'mergekit' ? inputs : Math.max(2, inputs)),
  statistic({ density, over }, mode) {
    const trimmed = topMagnitudes({ density, over, inclusive: mode === 'official' })
    return mode === 'mergekit' ? positiveZero(trimmed) : majoritySign(trimmed)
  },
  open(context) {
    const { kernels, spec, scratch } = context
    const { selections }: Trimmed = context.statistic
    const trims = selections.map((selection) => createTrim(kernels, selection, spec.name))
    const options = electionOf(context)
    return (regions: readonly Region[], out, _from, count) => {
      const kept = regions.map((x, i) => {
        if (keepsAll(selections[i]!)) return x
        trims[i]!(x, scratch[i]!, count)
        return scratch[i]!
      })
      kernels.electAndMerge(kept, out, count, options)
    }
  },
  graph(context) {
    const { kernels, spec } = context
    const { selections }: Trimmed = context.statistic
    return largestGraph(kernels, selections, spec.name, (emitter, kept) =>
      emitElection(emitter, kept, electionOf(context)),
    )
  },
})

interface Election {
  readonly mode: Mode
  readonly inputs: number
  readonly parameters: {
    readonly lambda: number
    readonly weights: readonly number[]
    readonly merge: 'mean' | 'sum'
  }
  readonly statistic: Trimmed
}

function electionOf({ mode, inputs, parameters, statistic }: Election): ElectAndMerge {
  const { lambda, weights, merge } = parameters
  return {
    weights: Array.from({ length: inputs }, (_, i) => Math.fround(weights[i] ?? 1)),
    weighted: mode === 'mergekit',
    zeroSign: statistic.zeroSign,
    normalize: merge === 'mean',
    lambda: Math.fround(lambda),
  }
}
