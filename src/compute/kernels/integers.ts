import { holdFloats, holds, type Region } from './region.ts'
import { type RunPosition, runsTouched } from './runs.ts'

/** Bytes that packed codes need beyond their own, because whole words are written. */
export const PACKED_SPARE_BYTES = 8

/**
 * Whole numbers in groups that share a scale, which are runs of a row; entry 0 of what is kept per
 * group, as f32, belongs to the group of the element that a call begins with.
 */
export interface IntegersKernels {
  /** Widens [low, high] of each group by the values of x. */
  groupExtremes(x: Region, count: number, at: RunPosition, lows: Region, highs: Region): void
  /**
   * codes[i] = round(x[i] ÷ scale) + zero, between `first` and `last`, one byte each: the division in
   * f32, rounding half to even. A group whose scale is 0 holds zeros.
   */
  quantise(
    x: Region,
    codes: Region,
    count: number,
    at: RunPosition,
    scales: Region,
    zeros: Region,
    range: { readonly first: number; readonly last: number },
  ): void
  /** out[i] = scale · (codes[i] − zero), the product rounded to f32 */
  dequantise(
    codes: Region,
    out: Region,
    count: number,
    at: RunPosition,
    scales: Region,
    zeros: Region,
  ): void
  /**
   * Codes of `bits` ≤ 8 bits one after the other, bits filling bytes from the lowest. `out` has
   * `PACKED_SPARE_BYTES` more than ⌈count · bits ÷ 8⌉.
   */
  packCodes(codes: Region, out: Region, count: number, bits: number): void
  /** The inverse. */
  unpackCodes(packed: Region, codes: Region, count: number, bits: number): void
}

/** What assembly/integers.ts exports. */
export interface IntegersExports {
  groupExtremes(
    x: number,
    count: number,
    column: number,
    columns: number,
    run: number,
    lows: number,
    highs: number,
  ): void
  quantise(
    x: number,
    codes: number,
    count: number,
    column: number,
    columns: number,
    run: number,
    scales: number,
    zeros: number,
    first: number,
    last: number,
  ): void
  dequantise(
    codes: number,
    out: number,
    count: number,
    column: number,
    columns: number,
    run: number,
    scales: number,
    zeros: number,
  ): void
  packCodes(codes: number, out: number, count: number, bits: number): void
  unpackCodes(packed: number, codes: number, count: number, bits: number): void
}

export function bindIntegers(wasm: IntegersExports): IntegersKernels {
  return {
    groupExtremes(x, count, at, lows, highs) {
      holdFloats(count, x)
      holdFloats(runsTouched(count, at), lows, highs)
      const { column, columns, run } = at
      wasm.groupExtremes(x.pointer, count, column, columns, run, lows.pointer, highs.pointer)
    },
    quantise(x, codes, count, at, scales, zeros, { first, last }) {
      holdFloats(count, x)
      holds(codes, count)
      holdFloats(runsTouched(count, at), scales, zeros)
      const { column, columns, run } = at
      wasm.quantise(
        x.pointer,
        codes.pointer,
        count,
        column,
        columns,
        run,
        scales.pointer,
        zeros.pointer,
        first,
        last,
      )
    },
    dequantise(codes, out, count, at, scales, zeros) {
      holds(codes, count)
      holdFloats(count, out)
      holdFloats(runsTouched(count, at), scales, zeros)
      const { column, columns, run } = at
      wasm.dequantise(
        codes.pointer,
        out.pointer,
        count,
        column,
        columns,
        run,
        scales.pointer,
        zeros.pointer,
      )
    },
    packCodes(codes, out, count, bits) {
      holds(codes, count)
      holds(out, Math.ceil((count * bits) / 8) + PACKED_SPARE_BYTES)
      wasm.packCodes(codes.pointer, out.pointer, count, bits)
    },
    unpackCodes(packed, codes, count, bits) {
      holds(packed, Math.ceil((count * bits) / 8))
      holds(codes, count)
      wasm.unpackCodes(packed.pointer, codes.pointer, count, bits)
    },
  }
}
