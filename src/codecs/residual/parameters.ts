import type { ParameterValues } from '../../parameters.ts'
import type { WeightDType } from '../../tensors/dtype.ts'
import type { EncodedTensor } from '../index.ts'
import { scaleDtype } from '../scales/parameters.ts'
import { checkStored } from '../sections/encoding.ts'

/** Codes of more bits would not fit a byte, and integers of 8 bits have a smaller error. */
export const bits = {
  type: 'number',
  default: 2,
  min: 1,
  max: 8,
  integer: true,
  about: 'sign planes, each with its own scale',
} as const

export const scales = {
  type: 'choice',
  default: 'matrix',
  options: ['matrix', 'row'],
  about: 'which weights share their scales: all, or an output row',
} as const

/** What a decoder must know. */
export interface StoredResidual {
  readonly bits: number
  readonly scales: 'matrix' | 'row'
  readonly scaleDtype: WeightDType
}

/** The one set of scales of a matrix is F32. */
export function storedScaleDtype({ scales, scaleDtype }: StoredResidual): WeightDType {
  return scales === 'matrix' ? 'F32' : scaleDtype
}

/** What the manifest holds: nothing that another parameter makes meaningless. */
export function residualToStore({ bits, scales, scaleDtype }: StoredResidual): ParameterValues {
  return scales === 'matrix' ? { bits } : { bits, scales, scaleDtype }
}

/** Throws `MalformedError` `E_BAD_ENCODING` unless spelled as `residualToStore` does. */
export function checkStoredResidual(tensor: EncodedTensor): StoredResidual {
  const { scales: given } = tensor.parameters
  if (given === undefined) {
    return { ...checkStored(tensor, { bits }), scales: 'matrix', scaleDtype: 'F32' }
  }
  return checkStored(tensor, { bits, scales: ofRows, scaleDtype })
}

const ofRows = { ...scales, options: ['row'] } as const
