import { seedParameter } from '../parameters.ts'
import { dropThreshold, maskKey } from '../random.ts'
import { maskedScaleGraph } from './graphs/masked-scale.ts'
import { defineOperator } from './index.ts'

/**
 * Random pruning without rescaling, the baseline that DARE is compared with: E[Δ̂] = (1 − p) · Δ
 * and E‖Δ̂ − Δ‖² = p · ‖Δ‖².
 */
export const operator = defineOperator({
  id: 'drop',
  kind: 'edit',
  about: 'drops a random share of the delta and leaves the rest as it is',
  reference: 'https://arxiv.org/abs/2311.03099',
  parameters: {
    p: { type: 'number', default: 0.5, min: 0, max: 1, about: 'share of elements dropped' },
    seed: seedParameter('which random mask'),
  },
  identity: { p: 0 },
  scope: 'matrices',
  intensity: ({ p }) => p,
  open({ kernels, spec, parameters }) {
    const mask = maskOf(spec.name, parameters)
    return ([x], out, from, count) => kernels.maskedScale(x!, out, count, { ...mask, from })
  },
  graph: ({ kernels, spec, parameters }) =>
    maskedScaleGraph(kernels, maskOf(spec.name, parameters)),
})

function maskOf(tensor: string, { p, seed }: { readonly p: number; readonly seed: number }) {
  return { key: maskKey(seed, tensor), threshold: dropThreshold(p), dropped: 0, kept: 1 }
}
