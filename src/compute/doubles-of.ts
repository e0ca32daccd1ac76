import type { Region } from './kernels.ts'

/** A region as f64; its pointer is a multiple of 8, as that of an allocated one is. */
export function doublesOf(region: Region): Float64Array {
  return new Float64Array(region.u8.buffer, region.pointer, region.bytes >>> 3)
}
