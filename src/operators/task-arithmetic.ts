import { defineOperator } from './index.ts'

/**
 * lambda · Σ wᵢ · Δᵢ, each lambda · wᵢ rounded once to f32 and the sum taken in the order of the
 * inputs. Weights of 1/n give the plain average.
 */
export const operator = defineOperator({
  id: 'task-arithmetic',
  kind: 'merge',
  about: 'adds task vectors, each with its weight',
  reference: 'https://arxiv.org/abs/2212.04089',
  parameters: {
    lambda: { type: 'number', default: 1, min: -4, max: 4, about: 'factor of the whole sum' },
    weights: {
      type: 'numbers',
      default: [],
      min: -16,
      max: 16,
      about: 'one factor per input; none means 1 for each',
    },
  },
  identity: { lambda: 1 },
  scope: 'all',
  symmetric: true,
  open({ kernels, inputs, parameters }) {
    const factors = factorsOf(inputs, parameters)
    return (regions, out, _from, count) => {
      regions.forEach((x, i) => {
        if (i === 0) kernels.scale(x, out, count, factors[i]!)
        else kernels.addScaled(x, out, count, factors[i]!)
      })
    }
  },
  graph({ inputs, parameters }) {
    const factors = factorsOf(inputs, parameters)
    return {
      emit: (emitter, names) =>
        names
          .map((x, i) => emitter.node('Mul', [x, emitter.float(factors[i]!)]))
          .reduce((sum, term) => emitter.node('Add', [sum, term])),
    }
  },
})

function factorsOf(
  inputs: number,
  { lambda, weights }: { readonly lambda: number; readonly weights: readonly number[] },
): number[] {
  return Array.from({ length: inputs }, (_, i) => Math.fround(lambda * (weights[i] ?? 1)))
}
