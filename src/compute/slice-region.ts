import type { Region } from './kernels.ts'
import { viewRegion } from './regions.ts'

/** The part of a region that starts at byte `offset`, a multiple of 4, as a region of its own. */
export function sliceRegion(region: Region, offset: number, bytes: number): Region {
  return viewRegion(region.u8.buffer as SharedArrayBuffer, region.pointer + offset, bytes)
}
