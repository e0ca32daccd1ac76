import { holdBits, holdFloats, holds, type Region } from './region.ts'
import { BIT, FLOAT, type Splits } from './split.ts'

/** Bitmaps: one bit per element, little endian within bytes. */
export interface BitsKernels {
  /** bits[i] = 1 iff x[i] > 0, or x[i] is ±0 (so a zero counts as +). */
  packSigns(x: Region, bits: Region, count: number): void
  /** out[i] = bits[i] ? magnitude : −magnitude */
  unpackSigns(bits: Region, out: Region, count: number, magnitude: number): void
  /** bits[i] = 1 iff x[i] ≠ 0 */
  packNonzero(x: Region, bits: Region, count: number): void
  /** Where bits[i] = 0, out[i] becomes −out[i]; a zero stays as it is. */
  applySigns(bits: Region, out: Region, count: number): void
  /** Where bits[i] = 0, out[i] = +0. */
  clearByBits(bits: Region, out: Region, count: number): void
  /** Copies x[i] with bits[i] = 1 to the front of `out`, not x itself, in order; returns how many. */
  compact(x: Region, bits: Region, out: Region, count: number): number
  /** The inverse: spreads the next values over the set bits, +0 elsewhere; returns how many it used. */
  expand(values: Region, bits: Region, out: Region, count: number): number
  /** Number of ones among the first `count` bits. */
  countBits(bits: Region, count: number): number
  /** Bit p of every byte as a bitmap, for the lowest `planes` bits, one bitmap after the other. */
  packPlanes(bytes: Region, bits: Region, count: number, planes: number): void
  /** The inverse; higher bits become 0. */
  unpackPlanes(bits: Region, bytes: Region, count: number, planes: number): void
}

/** What assembly/bits.ts exports. */
export interface BitsExports {
  packSigns(x: number, bits: number, count: number): void
  unpackSigns(bits: number, out: number, count: number, magnitude: number): void
  packNonzero(x: number, bits: number, count: number): void
  applySigns(bits: number, out: number, count: number): void
  clearByBits(bits: number, out: number, count: number): void
  compact(x: number, bits: number, out: number, count: number): number
  expand(values: number, bits: number, out: number, count: number): number
  countBits(bits: number, count: number): number
  packPlanes(bytes: number, bits: number, count: number, planes: number): void
  unpackPlanes(bits: number, bytes: number, count: number, planes: number): void
}

export const bitsSplits: Splits<BitsExports> = {
  packSigns: { moves: [FLOAT, BIT, 'count'] },
  unpackSigns: { moves: [BIT, FLOAT, 'count', 0] },
  packNonzero: { moves: [FLOAT, BIT, 'count'] },
  clearByBits: { moves: [BIT, FLOAT, 'count'] },
  compact: { moves: [FLOAT, BIT, 'ones', 'count'], work: 2, result: 'sum' },
  expand: { moves: ['ones', BIT, FLOAT, 'count'], result: 'sum' },
  countBits: { moves: [BIT, 'count'], result: 'sum' },
}

export function bindBits(wasm: BitsExports): BitsKernels {
  return {
    packSigns(x, bits, count) {
      holdFloats(count, x)
      holdBits(count, bits)
      wasm.packSigns(x.pointer, bits.pointer, count)
    },
    unpackSigns(bits, out, count, magnitude) {
      holdBits(count, bits)
      holdFloats(count, out)
      wasm.unpackSigns(bits.pointer, out.pointer, count, magnitude)
    },
    packNonzero(x, bits, count) {
      holdFloats(count, x)
      holdBits(count, bits)
      wasm.packNonzero(x.pointer, bits.pointer, count)
    },
    applySigns(bits, out, count) {
      holdBits(count, bits)
      holdFloats(count, out)
      wasm.applySigns(bits.pointer, out.pointer, count)
    },
    clearByBits(bits, out, count) {
      holdBits(count, bits)
      holdFloats(count, out)
      wasm.clearByBits(bits.pointer, out.pointer, count)
    },
    compact(x, bits, out, count) {
      holdFloats(count, x)
      holdBits(count, bits)
      holdFloats(wasm.countBits(bits.pointer, count), out)
      return wasm.compact(x.pointer, bits.pointer, out.pointer, count) >>> 0
    },
    expand(values, bits, out, count) {
      holdBits(count, bits)
      holdFloats(count, out)
      holdFloats(wasm.countBits(bits.pointer, count), values)
      return wasm.expand(values.pointer, bits.pointer, out.pointer, count) >>> 0
    },
    countBits(bits, count) {
      holdBits(count, bits)
      return wasm.countBits(bits.pointer, count) >>> 0
    },
    packPlanes(bytes, bits, count, planes) {
      holds(bytes, count)
      holds(bits, planes * Math.ceil(count / 8))
      wasm.packPlanes(bytes.pointer, bits.pointer, count, planes)
    },
    unpackPlanes(bits, bytes, count, planes) {
      holds(bits, planes * Math.ceil(count / 8))
      holds(bytes, count)
      wasm.unpackPlanes(bits.pointer, bytes.pointer, count, planes)
    },
  }
}
