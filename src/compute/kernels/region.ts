import { InvalidInputError } from '../../errors.ts'
import type { WeightDType } from '../../tensors/dtype.ts'

/**
 * A piece of the kernels' memory. Its views are typed arrays over shared memory, so that files are
 * read into it, hashes are taken of it and onnxruntime is fed from it without a copy.
 */
export interface Region {
  readonly pointer: number
  /** Usable bytes. */
  readonly bytes: number
  readonly u8: Uint8Array
  readonly u16: Uint16Array
  readonly u32: Uint32Array
  readonly i32: Int32Array
  readonly f32: Float32Array
}

export const bytesPer: Readonly<Record<WeightDType, number>> = { F32: 4, BF16: 2, F16: 2 }

/** How the kernels tell dtypes apart. */
export const numberOf: Readonly<Record<WeightDType, number>> = { F32: 0, BF16: 1, F16: 2 }

/**
 * Throws `InvalidInputError` `E_REGION` unless the region has that many bytes. Pointers are raw: a
 * count that is too large would overwrite a neighbour.
 */
export function holds(region: Region, bytes: number): void {
  if (bytes >= 0 && bytes <= region.bytes) return
  throw new InvalidInputError(
    'E_REGION',
    `expected a region of at least ${bytes} bytes, got ${region.bytes}`,
    { expected: bytes, actual: region.bytes },
  )
}

export function holdFloats(count: number, ...regions: readonly Region[]): void {
  for (const region of regions) holds(region, count * 4)
}

export function holdBits(count: number, bits: Region): void {
  holds(bits, Math.ceil(count / 8))
}
