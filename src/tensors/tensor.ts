import { type DType, dtypeBytes } from './dtype.ts'

/** Name, element type and shape of one tensor; `[]` is a scalar. */
export interface TensorSpec {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
}

/** Number of elements; 1 for a scalar, 0 when any dimension is 0. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1)
}

/** Elements of a row, which is everything but the first dimension; rank 0 and 1 are one row. */
export function rowElements({ shape }: Pick<TensorSpec, 'shape'>): number {
  return elementsOf(shape.length < 2 ? shape : shape.slice(1))
}

/** Bytes of a whole tensor, as a file stores it. */
export function bytesOf(spec: Pick<TensorSpec, 'dtype' | 'shape'>): number {
  return elementsOf(spec.shape) * dtypeBytes[spec.dtype]
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dimension, i) => dimension === b[i])
}

/**
 * Order of names everywhere a list of tensors is hashed or folded: by UTF-16 code unit, which is
 * what `<` does, independent of any locale.
 */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
