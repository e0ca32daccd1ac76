import { InvalidInputError } from '../errors.ts'
import { seedParameter } from '../parameters.ts'
import { dropThreshold, maskKey } from '../random.ts'
import { maskedScaleGraph } from './graphs/masked-scale.ts'
import { defineOperator } from './index.ts'

/** What rounding leaves between q and 1 − p. */
const DUST = 1e-9

/**
 * DAREx-q (Deng et al., ICLR 2025): drops a random share p as DARE does and divides the rest by q
 * instead of 1 − p. A larger q trades the mean of the delta for less noise, which pays where the drawn
 * share is high: the mean becomes (1 − p)/q of the delta, half of it with the defaults. q is found by
 * measuring, for example with the strategy `line-search`; below 1 − p it would overshoot and is refused.
 * E‖Δ̂ − Δ‖² = (p + (1 − p)·(1/q − 1)²) · ‖Δ‖².
 */
export const operator = defineOperator({
  id: 'darex',
  kind: 'edit',
  about:
    'drops a random share of the delta and divides the rest by q, which shrinks it above 1 - p',
  reference: 'https://arxiv.org/abs/2410.09344',
  parameters: {
    p: { type: 'number', default: 0.9, min: 0, max: 1, about: 'share of elements dropped' },
    q: {
      type: 'number',
      default: 0.2,
      min: 0.0001,
      max: 1,
      about: 'what the others are divided by: from 1 - p, as DARE does, to 1, which only drops',
    },
    seed: seedParameter('which random mask'),
  },
  identity: { p: 0, q: 1 },
  scope: 'matrices',
  check({ p, q }) {
    if (q >= 1 - p - DUST) return
    const expected = `at least 1 - p = ${Number((1 - p).toPrecision(6))}`
    throw new InvalidInputError('E_PARAMETER_RANGE', `expected \`darex.q\` ${expected}, got ${q}`, {
      expected,
      actual: q,
      fix: 'give a larger q, or drop more',
    })
  },
  intensity: ({ p, q }) => p + (1 - p) * (1 / q - 1) ** 2,
  open({ kernels, spec, parameters }) {
    const mask = maskOf(spec.name, parameters)
    return ([x], out, from, count) => kernels.maskedScale(x!, out, count, { ...mask, from })
  },
  graph: ({ kernels, spec, parameters }) =>
    maskedScaleGraph(kernels, maskOf(spec.name, parameters)),
})

interface Draw {
  readonly p: number
  readonly q: number
  readonly seed: number
}

function maskOf(tensor: string, { p, q, seed }: Draw) {
  return {
    key: maskKey(seed, tensor),
    threshold: dropThreshold(p),
    dropped: 0,
    kept: Math.fround(1 / q),
  }
}
