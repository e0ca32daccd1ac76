import { InvalidInputError } from '../errors.ts'
import type { Region } from './kernels.ts'
import { viewRegion } from './regions.ts'

/**
 * The part of a region that starts at byte `offset`, a multiple of 4, as a region of its own.
 * Throws `InvalidInputError` `E_REGION` when it ends beyond the region.
 */
export function sliceRegion(region: Region, offset: number, bytes: number): Region {
  if (offset + bytes > region.bytes) {
    throw new InvalidInputError(
      'E_REGION',
      `expected a region of at least ${offset + bytes} bytes, got ${region.bytes}`,
      { expected: offset + bytes, actual: region.bytes },
    )
  }
  return viewRegion(region.u8.buffer as SharedArrayBuffer, region.pointer + offset, bytes)
}
