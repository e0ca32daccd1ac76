import { seedParameter } from '../parameters.ts'
import { dropThreshold, maskKey } from '../random.ts'
import { maskedScaleGraph } from './graphs/masked-scale.ts'
import { defineOperator } from './index.ts'

/**
 * Flips the signs of a random share p (A Unified View of Delta Parameter Editing, section 4.2). Alone
 * that leaves (1 − 2p) · Δ in the mean and E‖Δ̂ − Δ‖² = 4p · ‖Δ‖²; with `compensate` the others are
 * multiplied by (1 + p)/(1 − p), which keeps the mean and gives 4p/(1 − p): `dare` with k = −1.
 */
export const operator = defineOperator({
  id: 'flip',
  kind: 'edit',
  about: 'flips the signs of a random share of the delta',
  reference: 'https://arxiv.org/abs/2410.13841',
  parameters: {
    p: { type: 'number', default: 0.1, min: 0, max: 1, about: 'share of elements flipped' },
    compensate: {
      type: 'choice',
      default: 'no',
      options: ['no', 'yes'],
      about: 'whether the other elements grow so that the mean stays',
    },
    seed: seedParameter('which random mask'),
  },
  identity: { p: 0 },
  scope: 'matrices',
  intensity: ({ p, compensate }) => (4 * p) / (compensate === 'yes' && p < 1 ? 1 - p : 1),
  open({ kernels, spec, parameters }) {
    const mask = maskOf(spec.name, parameters)
    return ([x], out, from, count) => kernels.maskedScale(x!, out, count, { ...mask, from })
  },
  graph: ({ kernels, spec, parameters }) =>
    maskedScaleGraph(kernels, maskOf(spec.name, parameters)),
})

interface Draw {
  readonly p: number
  readonly compensate: 'no' | 'yes'
  readonly seed: number
}

function maskOf(tensor: string, { p, compensate, seed }: Draw) {
  return {
    key: maskKey(seed, tensor),
    threshold: dropThreshold(p),
    dropped: -1,
    // At p = 1 every element is flipped and there are no others.
    kept: compensate === 'yes' && p < 1 ? Math.fround((1 + p) / (1 - p)) : 1,
  }
}
