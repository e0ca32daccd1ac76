import type { ParameterTable, ParameterValues, ValuesOf } from '../../parameters.ts'
import type { WeightDType } from '../../tensors/dtype.ts'
import type { EncodedTensor } from '../index.ts'
import { checkStored } from '../sections/encoding.ts'
import { zeros } from '../sections/signs.ts'
import type { ScaleKind } from './layout.ts'

const group = {
  type: 'number',
  default: 128,
  min: 8,
  max: 65_536,
  integer: true,
  about: 'elements of a row that share a scale (scales: group); a rest of a row has its own',
} as const

/**
 * BF16 has the range of the deltas it scales, F16 loses those below 6e-8. Rounding a mean to 8 bits
 * adds at most 2⁻¹⁸ to a relative squared error of a third, for half the bytes of F32.
 */
export const scaleDtype = {
  type: 'choice',
  default: 'BF16',
  options: ['BF16', 'F16', 'F32'],
  about: 'dtype of the scales of rows, columns and groups; that of a matrix is F32',
} as const

const scales = {
  type: 'choice',
  default: 'matrix',
  options: ['matrix', 'row', 'column', 'group'],
  about: 'which weights share a scale: all, an output row, an input column, a group of a row',
} as const

/** What a user chooses of the scales of signs. */
export const scaleParameters = {
  scales,
  group,
  scaleDtype,
  mean: {
    type: 'choice',
    default: 'all',
    options: ['all', 'nonzero'],
    about: 'whether a mean magnitude counts the weights that did not change',
  },
  factor: {
    type: 'number',
    default: 1,
    min: 0,
    max: 4,
    about: 'multiplies the mean magnitude; 1 has the least squared error',
  },
  zeros,
} as const

export type ScaleValues = ValuesOf<typeof scaleParameters>

/** What a decoder must know of them. */
export interface StoredScales {
  readonly scales: ScaleKind
  readonly group: number
  readonly scaleDtype: WeightDType
  readonly zeros: 'keep' | 'plus'
}

/** What an encoder uses: the one scale of a matrix is F32. */
export function usedScales(values: ScaleValues): StoredScales {
  return values.scales === 'matrix' ? { ...values, scaleDtype: 'F32' } : values
}

/** What the manifest holds: nothing that another parameter makes meaningless. */
export function scalesToStore(values: StoredScales): ParameterValues {
  const { scales, group, scaleDtype, zeros } = values
  if (scales === 'matrix') return { zeros }
  return scales === 'group' ? { scales, group, scaleDtype, zeros } : { scales, scaleDtype, zeros }
}

const ofMatrix = { zeros }
const ofAxis = { scales: { ...scales, options: ['row', 'column'] }, scaleDtype, zeros } as const
const ofGroup = { scales: { ...scales, options: ['group'] }, group, scaleDtype, zeros } as const

/**
 * The stored parameters of scales, beside a codec's own. Throws `MalformedError` `E_BAD_ENCODING`
 * unless they are spelled as `scalesToStore` does.
 */
export function checkStoredScales<T extends ParameterTable>(
  tensor: EncodedTensor,
  own: T,
): StoredScales & ValuesOf<T> {
  const rest = { group: group.default, scaleDtype: 'F32', scales: 'matrix' } as const
  const { scales } = tensor.parameters
  const form = scales === undefined ? ofMatrix : scales === 'group' ? ofGroup : ofAxis
  return { ...rest, ...checkStored(tensor, { ...form, ...own }) } as StoredScales & ValuesOf<T>
}
