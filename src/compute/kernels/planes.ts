import type { WeightDType } from '../../tensors/dtype.ts'
import { bytesPer, holds, type Region } from './region.ts'

/** Values as symbols of one byte each. */
export interface PlanesKernels {
  /**
   * Splits the bit patterns of values, turned left by one bit so that the exponent does not share a
   * byte with the sign, into byte planes, lowest first: plane p starts at byte `p · count`.
   */
  splitPlanes(dtype: WeightDType, values: Region, planes: Region, count: number): void
  /** The inverse. */
  joinPlanes(dtype: WeightDType, planes: Region, values: Region, count: number): void
}

/** What assembly/planes.ts exports. */
export interface PlanesExports {
  splitPlanes16(values: number, planes: number, count: number): void
  splitPlanes32(values: number, planes: number, count: number): void
  joinPlanes16(planes: number, values: number, count: number): void
  joinPlanes32(planes: number, values: number, count: number): void
}

export function bindPlanes(wasm: PlanesExports): PlanesKernels {
  return {
    splitPlanes(dtype, values, planes, count) {
      for (const region of [values, planes]) holds(region, count * bytesPer[dtype])
      if (bytesPer[dtype] === 2) wasm.splitPlanes16(values.pointer, planes.pointer, count)
      else wasm.splitPlanes32(values.pointer, planes.pointer, count)
    },
    joinPlanes(dtype, planes, values, count) {
      for (const region of [values, planes]) holds(region, count * bytesPer[dtype])
      if (bytesPer[dtype] === 2) wasm.joinPlanes16(planes.pointer, values.pointer, count)
      else wasm.joinPlanes32(planes.pointer, values.pointer, count)
    },
  }
}
