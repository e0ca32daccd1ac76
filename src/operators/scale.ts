import { blockOf } from '../tensors/block-of.ts'
import { defineOperator } from './index.ts'

/**
 * Extrapolates (alpha > 0) or interpolates (alpha < 0) along the delta: (1 + alpha) · Δ, computed
 * in f64 and rounded once to the factor (EXPO, Zheng et al., 2024). Attention and MLP blocks may go
 * further or less far than the rest, each by a factor of alpha. ‖Δ̂ − Δ‖² = alpha² · ‖Δ‖².
 */
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
    attention: {
      type: 'number',
      default: 1,
      min: 0,
      max: 2,
      about: 'factor of alpha in attention blocks',
    },
    mlp: { type: 'number', default: 1, min: 0, max: 2, about: 'factor of alpha in MLP blocks' },
  },
  identity: { alpha: 0 },
  scope: 'all',
  intensity: ({ alpha, attention, mlp }) => (attention === 1 && mlp === 1 ? alpha ** 2 : undefined),
  open({ kernels, spec, parameters }) {
    const factor = factorOf(spec.name, parameters)
    return ([x], out, _from, count) => kernels.scale(x!, out, count, factor)
  },
  graph: ({ spec, parameters }) => ({
    emit: (emitter, [x]) =>
      emitter.node('Mul', [x!, emitter.float(factorOf(spec.name, parameters))]),
  }),
})

interface Factors {
  readonly alpha: number
  readonly attention: number
  readonly mlp: number
}

function factorOf(tensor: string, { alpha, ...ofBlocks }: Factors): number {
  const block = blockOf(tensor)
  return Math.fround(1 + alpha * (block === undefined ? 1 : ofBlocks[block]))
}
