import { defineOperator } from './index.ts'

/** Extrapolates (alpha > 0) or interpolates (alpha < 0) along the delta: (1 + alpha) · Δ. */
export const operator = defineOperator({
  id: 'scale',
  kind: 'edit',
  about: 'goes further along the delta, or not as far (EXPO)',
  reference: 'https://arxiv.org/abs/2404.16792',
  parameters: {
    alpha: {
      type: 'number',
      default: 0,
      min: -2,
      max: 4,
      about: 'how much is added of the delta; 0 changes nothing, -1 gives the base',
    },
  },
  identity: { alpha: 0 },
  scope: 'all',
  open({ kernels, parameters: { alpha } }) {
    const factor = Math.fround(1 + alpha)
    return ([x], out, _from, count) => kernels.scale(x!, out, count, factor)
  },
  graph: ({ parameters: { alpha } }) => ({
    emit: (emitter, [x]) => emitter.node('Mul', [x!, emitter.float(Math.fround(1 + alpha))]),
  }),
})
