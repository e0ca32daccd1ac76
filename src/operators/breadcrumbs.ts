import { defineOperator } from './index.ts'
import { type Band, bandStatistic, openBand } from './statistics/magnitude-band.ts'

/**
 * Breadcrumbs (Davari and Belilovsky, 2023): passes over the ⌊gamma · n⌋ largest elements, which are
 * outliers, and keeps the ⌊density · n⌋ next in magnitude, of equals those with the lowest index
 * first; the rest becomes +0. Where both together are more than n, fewer are passed over. The authors
 * rank within rows, mergekit within tensors, and mode mergekit has that and its own shares for defaults.
 * With all parameters given every mode gives the same numbers: mergekit 0.1.4 itself
 * zeroes a whole tensor of which ⌊gamma · n⌋ = 0 elements are to be passed over, since its slice of the
 * sorted elements then ends at −0.
 */
export const operator = defineOperator({
  id: 'breadcrumbs',
  kind: 'edit',
  about: 'drops the largest elements of the delta as outliers and the small ones as noise',
  reference: 'https://arxiv.org/abs/2312.06795',
  parameters: {
    density: { type: 'number', default: 0.2, min: 0, max: 1, about: 'share of elements kept' },
    gamma: {
      type: 'number',
      default: 0.1,
      min: 0,
      max: 1,
      about: 'share of elements, the largest, dropped as outliers',
    },
    over: {
      type: 'choice',
      default: 'row',
      options: ['row', 'tensor'],
      about: 'whether elements are ranked within each row or each tensor',
    },
  },
  defaults: { mergekit: { density: 1, gamma: 0.01, over: 'tensor' } },
  identity: { density: 1 },
  scope: 'matrices',
  unit: ({ over }) => (over === 'row' ? 'rows' : 'elements'),
  scratch: () => 2,
  statistic: ({ over, ...rest }) => bandStatistic(over, (elements) => bandOf(elements, rest)),
  open(context) {
    const { over, ...rest } = context.parameters
    return openBand(context, over, (elements) => bandOf(elements, rest))
  },
})

function bandOf(
  elements: number,
  { density, gamma }: { readonly density: number; readonly gamma: number },
): Band {
  const keep = Math.floor(density * elements)
  return { skip: Math.min(Math.floor(gamma * elements), elements - keep), keep }
}
