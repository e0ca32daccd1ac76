import { largestGraph } from './graphs/largest.ts'
import { defineOperator } from './index.ts'
import { createTrim, topMagnitudes } from './statistics/top-magnitudes.ts'

/** Magnitude pruning: keeps exactly ⌊density · n⌋ elements, of equals those with the lowest index. */
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
      options: ['tensor', 'all'],
      about: 'whether each tensor keeps its share, or all tensors together theirs',
    },
  },
  identity: { density: 1 },
  scope: 'matrices',
  statistic: topMagnitudes,
  open({ kernels, spec, statistic: [selection] }) {
    const trim = createTrim(kernels, selection!, spec.name)
    return ([x], out, _from, count) => trim(x!, out, count)
  },
  graph: ({ kernels, spec, statistic }) =>
    largestGraph(kernels, statistic, spec.name, (_emitter, [x]) => x!),
})
