import { largestGraph } from './graphs/largest.ts'
import { defineOperator } from './index.ts'
import { type Band, bandStatistic, openBand } from './statistics/magnitude-band.ts'
import { keepsNone } from './statistics/selection.ts'

/**
 * Magnitude pruning (the first step of TIES, Yadav et al., NeurIPS 2023): keeps exactly
 * ⌊density · n⌋ of the n elements of each tensor, of each row or of all tensors together; the rest
 * becomes +0. Of equals those with the lowest index count as larger. `drop: largest` keeps the small
 * ones instead, as FusionBench's `major` does.
 *
 * Mode official keeps one more, and all that equal it, of a tensor or of all: the authors' code compares
 * with ≥ the value of rank ⌊density · n⌋ + 1. Rows, and `drop: largest`, are no part of that code and
 * keep exactly their share in every mode, as paper and mergekit do.
 */
export const operator = defineOperator({
  id: 'trim',
  kind: 'edit',
  about: 'keeps the largest elements of the delta and zeroes the rest',
  reference: 'https://arxiv.org/abs/2306.01708',
  parameters: {
    density: { type: 'number', default: 0.2, min: 0, max: 1, about: 'share of elements kept' },
    over: {
      type: 'choice',
      default: 'tensor',
      options: ['tensor', 'row', 'all'],
      about: 'what keeps its share: each tensor, each row, or all tensors together',
    },
    drop: {
      type: 'choice',
      default: 'smallest',
      options: ['smallest', 'largest'],
      about: 'which end is dropped',
    },
  },
  identity: { density: 1 },
  scope: 'matrices',
  unit: ({ over }) => (over === 'row' ? 'rows' : 'elements'),
  scratch: () => 2,
  statistic({ over, ...rest }, mode) {
    const inclusive = mode === 'official' && rest.drop === 'smallest'
    return bandStatistic(over, (elements) => bandOf(elements, rest, inclusive ? 1 : 0), inclusive)
  },
  open(context) {
    const { over, ...rest } = context.parameters
    return openBand(context, over, (elements) => bandOf(elements, rest))
  },
  graph({ kernels, spec, statistic }) {
    if (statistic === undefined || !keepsNone(statistic.inner)) return undefined
    return largestGraph(kernels, [statistic.outer], spec.name, (_emitter, [x]) => x!)
  },
})

function bandOf(
  elements: number,
  { density, drop }: { readonly density: number; readonly drop: 'smallest' | 'largest' },
  more = 0,
): Band {
  const keep = Math.floor(density * elements) + more
  return { skip: drop === 'largest' ? elements - keep : 0, keep }
}
