import type { Kernels, Region } from '../compute/kernels.ts'
import { InvalidInputError } from '../errors.ts'
import { seedParameter } from '../parameters.ts'
import { maskKey } from '../random.ts'
import { rowBlockElements } from '../tensors/blocks.ts'
import { elementsOf, rowElements, type TensorSpec } from '../tensors/tensor.ts'
import { defineOperator } from './index.ts'
import { l1Ratio, type Mask } from './statistics/l1-ratio.ts'

/**
 * MAGPRUNE, the drop step of DELLA (Deep et al., 2024, section 3.1): keeps an element with a
 * probability that rises with its magnitude, from density − epsilon for the smallest of its row to
 * density + epsilon for the largest, in equal steps by rank (of equals the one with the lowest
 * index ranks as larger), or in proportion to the magnitude between the row's smallest and largest.
 * A kept element is divided by its own probability, so that E[Δ̂] = Δ. An element that is alone in
 * its row, and one of a row of equals whose probabilities follow magnitudes, is kept with
 * `density`.
 *
 * In mode mergekit kept elements get the tensor's realised loss of magnitude back instead, all by
 * one factor.
 */
export const operator = defineOperator({
  id: 'della',
  kind: 'edit',
  about: 'drops elements of the delta by chance, small ones more often, and rescales the rest',
  reference: 'https://arxiv.org/abs/2406.11617',
  parameters: {
    density: { type: 'number', default: 0.3, min: 0, max: 1, about: 'mean share of elements kept' },
    epsilon: {
      type: 'number',
      default: 0.05,
      min: 0,
      max: 0.5,
      about: 'how far probabilities reach to both sides of the density',
    },
    over: {
      type: 'choice',
      default: 'row',
      options: ['row', 'tensor'],
      about: 'whether elements are compared within each row or each tensor',
    },
    probability: {
      type: 'choice',
      default: 'rank',
      options: ['rank', 'magnitude'],
      about: 'what a probability follows; magnitude is what the authors call norank',
    },
    seed: seedParameter('which random mask'),
  },
  defaults: { mergekit: { density: 1, epsilon: 0.15 } },
  identity: { density: 1 },
  scope: 'matrices',
  check({ density, epsilon }) {
    if (density === 0 || density === 1) return
    if (density - epsilon > 0 && density + epsilon < 1) return
    const expected = 'density - epsilon above 0 and density + epsilon below 1'
    throw new InvalidInputError(
      'E_PARAMETER_RANGE',
      `expected ${expected} of \`della\`, got ${density} and ${epsilon}`,
      { expected, actual: [density, epsilon], fix: 'give a smaller epsilon' },
    )
  },
  unit: ({ over }) => (over === 'row' ? 'rows' : 'tensor'),
  scratch: (_inputs, mode) => (mode === 'mergekit' ? 3 : 2),
  statistic(options, mode) {
    if (mode !== 'mergekit') return undefined
    return l1Ratio({
      open: (kernels, spec, scratch) => openMask(kernels, spec, options, scratch, 1),
      pieceOf: (spec) => rowBlockElements(rowWidth(spec, options)),
    })
  },
  open({ kernels, spec, statistic, scratch, parameters }) {
    const kept = statistic === undefined ? undefined : Math.fround(statistic)
    const mask = openMask(kernels, spec, parameters, scratch, kept)
    return ([x], out, from, count) => mask(x!, out, from, count)
  },
})

interface MaskOptions {
  readonly density: number
  readonly epsilon: number
  readonly over: 'row' | 'tensor'
  readonly probability: 'rank' | 'magnitude'
  readonly seed: number
}

/** Multiplies what is kept by `kept`, or divides it by its own probability. */
function openMask(
  kernels: Kernels,
  spec: TensorSpec,
  options: MaskOptions,
  [ranks, order]: readonly Region[],
  kept: number | undefined,
): Mask {
  const { density, epsilon, probability, seed } = options
  const width = rowWidth(spec, options)
  const chance = {
    key: maskKey(seed, spec.name),
    density,
    epsilon: density === 0 || density === 1 ? 0 : epsilon,
    ...(probability === 'rank' ? { ranks: ranks! } : {}),
    ...(kept === undefined ? {} : { kept }),
  }
  return (x, out, from, count) => {
    const rows = count / width
    if (probability === 'rank') kernels.rankRows(x, ranks!, order!, rows, width)
    kernels.keepByChance(x, out, rows, width, { ...chance, from })
  }
}

function rowWidth(spec: TensorSpec, { over }: MaskOptions): number {
  return over === 'row' ? rowElements(spec) : elementsOf(spec.shape)
}
