import { IncompatibleError, MalformedError } from '../../errors.ts'
import { checkParameters, type ParameterTable, type ValuesOf } from '../../parameters.ts'
import { isWeightDType, type WeightDType, weightDTypes } from '../../tensors/dtype.ts'
import type { TensorSpec } from '../../tensors/tensor.ts'
import type { Region } from '../../compute/kernels.ts'
import type { EncodedTensor, Sections } from '../index.ts'

/** The tensor's dtype; throws `MalformedError` `E_BAD_ENCODING` when weights never have it. */
export function weightDType(spec: TensorSpec): WeightDType {
  if (isWeightDType(spec.dtype)) return spec.dtype
  throw badEncoding(`'${spec.name}' has a dtype that no codec stores`, weightDTypes, spec.dtype)
}

/** Throws `MalformedError` `E_BAD_ENCODING` when a section has a size outside `min … max`. */
export function checkSize(sections: Sections, section: string, min: number, max = min): void {
  const bytes = sections.bytes(section)
  if (bytes >= min && bytes <= max) return
  const expected = min === max ? `${min} bytes` : `${min} to ${max} bytes`
  throw badEncoding(`section '${section}' has a size that does not fit`, expected, bytes)
}

/**
 * The tensor's stored parameters; throws `MalformedError` `E_BAD_ENCODING` unless they are exactly
 * those of `table` and in its ranges. Defaults do not count: one encoding has one spelling.
 */
export function checkStored<T extends ParameterTable>(
  tensor: EncodedTensor,
  table: T,
): ValuesOf<T> {
  const owner = `${tensor.codec} of '${tensor.spec.name}'`
  const names = Object.keys(table).toSorted()
  const given = Object.keys(tensor.parameters).toSorted()
  if (given.join() !== names.join()) throw badEncoding(`parameters of ${owner}`, names, given)
  try {
    return checkParameters(owner, table, tensor.parameters)
  } catch (cause) {
    throw badEncoding(`parameters of ${owner}`, 'values in range', (cause as Error).message, cause)
  }
}

/** Throws `MalformedError` `E_BAD_ENCODING` unless f32 values are finite and at least +0. */
export function checkMagnitudes({ u32, f32 }: Pick<Region, 'u32' | 'f32'>, count: number): void {
  const bad = u32.subarray(0, count).findIndex((bits) => bits >= INFINITY_BITS)
  if (bad >= 0) throw badEncoding('magnitude out of range', 'a finite number ≥ 0', f32[bad])
}

/** f32 patterns from here on are infinite, not numbers, or have a sign. */
const INFINITY_BITS = 0x7f800000

/** What a decoder throws: `MalformedError` `E_BAD_ENCODING`. */
export function badEncoding(
  message: string,
  expected: Fact,
  actual: Fact,
  cause?: unknown,
): MalformedError {
  const text = `${message}: expected ${String(expected)}, got ${String(actual)}`
  return new MalformedError('E_BAD_ENCODING', text, {
    expected,
    actual,
    fix: 'the delta was published like this: ask its author for another',
    cause,
  })
}

type Fact = string | number | undefined | readonly (string | number)[]

/** What an encoder throws when a value has no finite form: `IncompatibleError` `E_VALUE_RANGE`. */
export function outOfRange(tensor: string, form: string, actual: unknown): IncompatibleError {
  return new IncompatibleError('E_VALUE_RANGE', `'${tensor}' does not fit into ${form}`, {
    expected: `finite values in ${form}`,
    actual,
    fix: 'store this tensor with the raw codec',
  })
}
