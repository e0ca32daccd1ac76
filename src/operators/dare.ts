import { seedParameter } from '../parameters.ts'
import { dropThreshold, maskKey } from '../random.ts'
import { defineOperator } from './index.ts'
import { l1Ratio } from './statistics/l1-ratio.ts'

/**
 * Generalised DARE (A Unified View of Delta Parameter Editing, section 4.2): a random share p of the
 * elements is multiplied by k, every other by (1 − k·p)/(1 − p), which keeps the mean. k = 0 drops and
 * rescales as DARE does; a negative k flips signs. In mode mergekit, which knows k = 0 alone, the kept
 * elements get the tensor's realised loss of magnitude back instead.
 */
export const operator = defineOperator({
  id: 'dare',
  kind: 'edit',
  about: 'drops a random share of the delta and rescales the rest',
  reference: 'https://arxiv.org/abs/2410.13841',
  parameters: {
    p: { type: 'number', default: 0.9, min: 0, max: 1, about: 'share of elements drawn' },
    k: {
      type: 'number',
      default: 0,
      min: -4,
      max: 4,
      about: 'factor of the drawn elements; 0 drops them, a negative one flips their sign',
    },
    seed: seedParameter('which random mask'),
  },
  identity: { p: 0 },
  scope: 'matrices',
  scratch: (_inputs, mode) => (mode === 'mergekit' ? 1 : 0),
  statistic: ({ p, k, seed }, mode) =>
    mode === 'mergekit' && k === 0 ? l1Ratio(p, seed) : undefined,
  open({ kernels, spec, statistic, parameters: { p, k, seed } }) {
    const mask = {
      key: maskKey(seed, spec.name),
      threshold: dropThreshold(p),
      dropped: Math.fround(k),
      // At p = 1 every element is drawn and the factor of the others has no meaning.
      kept: p === 1 ? 1 : Math.fround(statistic ?? (1 - k * p) / (1 - p)),
    }
    return ([x], out, from, count) => kernels.maskedScale(x!, out, count, { ...mask, from })
  },
})
