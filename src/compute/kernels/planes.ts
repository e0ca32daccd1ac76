import type { WeightDType } from '../../tensors/dtype.ts'
import { bytesPer, holdBits, holds, type Region } from './region.ts'

/** Values and bitmaps as symbols of one byte each. */
export interface PlanesKernels {
  /**
   * Splits the bit patterns of values, turned left by one bit so that the exponent does not share a
   * byte with the sign, into byte planes, lowest first: plane p starts at byte `p · count`.
   */
  splitPlanes(dtype: WeightDType, values: Region, planes: Region, count: number): void
  /** The inverse. */
  joinPlanes(dtype: WeightDType, planes: Region, values: Region, count: number): void
  /** bytes[i] = bits[i], as 0 or 1. */
  spreadBits(bits: Region, bytes: Region, count: number): void
  /** The inverse; false when a byte is neither 0 nor 1. Spare bits become 0. */
  gatherBits(bytes: Region, bits: Region, count: number): boolean
}

/** What assembly/planes.ts exports. */
export interface PlanesExports {
  splitPlanes16(values: number, planes: number, count: number): void
  splitPlanes32(values: number, planes: number, count: number): void
  joinPlanes16(planes: number, values: number, count: number): void
  joinPlanes32(planes: number, values: number, count: number): void
  spreadBits(bits: number, bytes: number, count: number): void
  gatherBits(bytes: number, bits: number, count: number): number
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
    spreadBits(bits, bytes, count) {
      holdBits(count, bits)
      holds(bytes, count)
      wasm.spreadBits(bits.pointer, bytes.pointer, count)
    },
    gatherBits(bytes, bits, count) {
      holds(bytes, count)
      holdBits(count, bits)
      return wasm.gatherBits(bytes.pointer, bits.pointer, count) === 1
    },
  }
}
