/** Element types as safetensors spells them, with their size in bytes. */
export const dtypeBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
} as const

export type DType = keyof typeof dtypeBytes

/** The dtypes in which weights can be edited; every other tensor must be equal in base and post. */
export const weightDTypes = ['F32', 'BF16', 'F16'] as const

export type WeightDType = (typeof weightDTypes)[number]

export function isDType(value: unknown): value is DType {
  return typeof value === 'string' && Object.hasOwn(dtypeBytes, value)
}

export function isWeightDType(value: unknown): value is WeightDType {
  return (weightDTypes as readonly unknown[]).includes(value)
}
