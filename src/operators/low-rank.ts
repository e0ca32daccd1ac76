import { createLease } from '../compute/lease.ts'
import { matrixOf } from '../compute/matrix/matrix.ts'
import { svdBytes, type Truncation, truncatedSvd } from '../compute/matrix/truncated-svd.ts'
import { InvalidInputError } from '../errors.ts'
import type { Parameter, ParameterValues } from '../parameters.ts'
import type { TensorSpec } from '../tensors/tensor.ts'
import { defineOperator } from './index.ts'

/** The ways to say how much is kept; a recipe holds exactly one. */
const amounts = {
  rank: {
    type: 'number',
    default: 16,
    min: 0,
    max: 65_536,
    integer: true,
    about: 'singular values kept of each matrix; this is used unless another is given',
  },
  fraction: {
    type: 'number',
    default: 0.25,
    min: 0,
    max: 1,
    about: 'instead of rank: share kept of the singular values, rounded down to a whole number',
  },
  energy: {
    type: 'number',
    default: 0.9,
    min: 0,
    max: 1,
    about: 'instead of rank: as few singular values as hold this share of the squared norm',
  },
} as const satisfies Readonly<Record<string, Parameter>>

/**
 * Truncated singular value decomposition of each matrix, the nearest one of that rank. `fraction`
 * is Twin-Merging's form, rank ⌊fraction · min(rows, columns)⌋, 0 leaving zeros. A matrix of which
 * all singular values are kept comes out as it is, a rank above its own among them, and so does a
 * tensor that is no matrix.
 *
 * The result is what the codec `low-rank` with `values: F32` decodes to, the same bytes everywhere.
 */
export const operator = defineOperator({
  id: 'low-rank',
  kind: 'edit',
  about: 'keeps the leading singular values of each matrix: by rank, fraction or energy',
  reference: 'https://arxiv.org/abs/2406.15479',
  parameters: amounts,
  scope: 'matrices',
  unit: () => 'tensor',
  multiplies: true,
  parametersFor(given) {
    const names = Object.keys(amounts) as (keyof typeof amounts)[]
    const chosen = names.filter((name) => given[name] !== undefined)
    if (chosen.length > 1) throw ambiguous(names, chosen)
    const [name = 'rank'] = chosen
    return { [name]: amounts[name] }
  },
  memory(spec, parameters) {
    const truncation = truncationOf(spec, parameters)
    const [rows, columns] = spec.shape
    return truncation === undefined ? 0 : svdBytes(rows!, columns!, truncation)
  },
  open({ kernels, spec, parameters, products: productsWith, signal }) {
    const truncation = truncationOf(spec, parameters)
    return async ([x], out, _from, count) => {
      if (truncation === undefined) {
        out.f32.set(x!.f32.subarray(0, count))
        return
      }
      const [rows, columns] = spec.shape as [number, number]
      const lease = createLease(kernels)
      try {
        const matrix = matrixOf(x!, rows, columns)
        const products = productsWith(matrix, lease)
        const { left, right } = await truncatedSvd(products, matrix, truncation, lease, { signal })
        await products.multiply(left, right, matrixOf(out, rows, columns))
      } finally {
        await lease.release()
      }
    }
  },
})

/** `undefined` where everything is kept. */
function truncationOf({ shape }: TensorSpec, parameters: ParameterValues): Truncation | undefined {
  const size = Math.min(...shape)
  const { rank, fraction, energy = 1 } = parameters as Partial<Record<keyof typeof amounts, number>>
  const most = rank ?? (fraction === undefined ? size : Math.floor(fraction * size))
  if (shape.length !== 2 || (most >= size && energy === 1)) return undefined
  return { rank: most, energy }
}

function ambiguous(names: readonly string[], chosen: readonly string[]): InvalidInputError {
  return new InvalidInputError('E_PARAMETERS_EXCLUSIVE', 'low-rank is told its rank twice', {
    expected: `one of ${names.join(', ')}`,
    actual: chosen.join(' and '),
    fix: 'leave all but one out',
  })
}
