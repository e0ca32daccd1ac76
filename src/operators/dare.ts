import type { Region } from '../compute/kernels.ts'
import { type ParameterTable, seedParameter } from '../parameters.ts'
import { dropThreshold, maskKey } from '../random.ts'
import { maskedScaleGraph } from './graphs/masked-scale.ts'
import { defineOperator, type Mode } from './index.ts'
import { type Drawing, drawnByMagnitude, drawnByMask, drawnBySign } from './statistics/drawing.ts'
import { l1Ratio } from './statistics/l1-ratio.ts'
import type { Statistic } from './statistics/statistic.ts'

/**
 * Generalised DARE (A Unified View of Delta Parameter Editing, section 4.2): the share p of the
 * elements that is drawn is multiplied by k, every other by r = (1 − k·p)/(1 − p), which keeps the mean
 * of the factors. k = 0 drops and rescales as DARE does; a negative k flips signs.
 *
 * Section 4.3 asks what the draw must be independent of, so `select` may draw other elements than
 * random ones: the negative ones, the ⌊p · n⌋ smallest in magnitude (of equals those with the highest
 * index, so that `trim` would keep the others), or those at which a second input is not zero. Then p in
 * r is the share that was drawn of the tensor's elements that are not zero: a factor of zero means
 * nothing, so that equal magnitudes with zeros among them keep Σ|Δ|. What a selection does not look at,
 * the seed for one, is none of its parameters.
 *
 * Where everything is drawn, r has no meaning and all elements become k · Δ. In mode mergekit, which
 * knows a random draw and k = 0 alone, the kept elements get the tensor's realised loss of magnitude
 * back instead. Of a random draw E‖Δ̂ − Δ‖² = (1 − k)² · p/(1 − p) · ‖Δ‖².
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
    select: {
      type: 'choice',
      default: 'random',
      options: ['random', 'sign', 'magnitude', 'mask'],
      about: 'what is drawn: any, negative, small elements, or where a second input is not zero',
    },
    seed: seedParameter('which random mask'),
  },
  /** One variant has one recipe, so what says nothing is left out; texts begin with what is drawn. */
  parametersFor({ select: how }): ParameterTable {
    const { p, k, select } = operator.parameters
    if (how === 'sign' || how === 'mask') return { select, k }
    return how === 'magnitude' ? { p, k, select } : operator.parameters
  },
  identity: { p: 0, select: 'random' },
  scope: 'matrices',
  inputs: ({ select }) => (select === 'mask' ? 2 : 1),
  scratch: (_inputs, mode, { select }) => (select !== 'random' ? 2 : mode === 'mergekit' ? 1 : 0),
  intensity({ p, k, select }, mode) {
    if (select !== 'random' || isRescaled(mode, k)) return undefined
    return (1 - k) ** 2 * (p === 1 ? 1 : p / (1 - p))
  },
  statistic({ p, k, select, seed }, mode): Statistic<number | Drawing> | undefined {
    switch (select) {
      case 'random':
        return isRescaled(mode, k) ? randomLoss(p, seed) : undefined
      case 'sign':
        return drawnBySign()
      case 'magnitude':
        return drawnByMagnitude(p)
      case 'mask':
        return drawnByMask()
    }
  },
  open({ kernels, spec, statistic, scratch, parameters }) {
    const { k } = parameters
    if (typeof statistic === 'object') {
      const { bit, share } = statistic
      const [drawn, left] = [Math.fround(k), keptFactor(share, k)]
      const factors = bit === 1 ? { set: drawn, clear: left } : { set: left, clear: drawn }
      const [bits, ...rest] = scratch
      const mark = statistic.open(kernels, spec.name, rest)
      return (inputs: readonly Region[], out, _from, count) => {
        mark(inputs, bits!, count)
        kernels.scaleByBits(inputs[0]!, bits!, out, count, factors)
      }
    }
    const mask = maskOf(spec.name, parameters, statistic)
    return ([x]: readonly Region[], out, from, count) =>
      kernels.maskedScale(x!, out, count, { ...mask, from })
  },
  graph: ({ kernels, spec, statistic, parameters }) =>
    typeof statistic === 'object'
      ? undefined
      : maskedScaleGraph(kernels, maskOf(spec.name, parameters, statistic)),
})

interface Draw {
  readonly p: number
  readonly k: number
  readonly seed: number
}

function maskOf(tensor: string, { p, k, seed }: Draw, realised: number | undefined) {
  return {
    key: maskKey(seed, tensor),
    threshold: dropThreshold(p),
    dropped: Math.fround(k),
    kept: realised === undefined ? keptFactor(p, k) : Math.fround(realised),
  }
}

function randomLoss(p: number, seed: number): Statistic<number> {
  return l1Ratio({
    open(kernels, { name }) {
      const mask = { key: maskKey(seed, name), threshold: dropThreshold(p), kept: 1, dropped: 0 }
      return (x, out, from, count) => kernels.maskedScale(x, out, count, { ...mask, from })
    },
  })
}

/** Where everything is drawn the factor of the others has no meaning. */
function keptFactor(p: number, k: number): number {
  return p === 1 ? 1 : Math.fround((1 - k * p) / (1 - p))
}

function isRescaled(mode: Mode, k: number): boolean {
  return mode === 'mergekit' && k === 0
}
