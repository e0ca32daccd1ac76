import { holdFloats, holds, type Region } from './region.ts'

/** Rows of `row` elements in groups of `group`; what a row has left is its last group. */
export interface Grouping {
  readonly row: number
  readonly group: number
}

/** The number of the group that holds an element. */
export function groupOf(element: number, { row, group }: Grouping): number {
  return Math.floor(element / row) * Math.ceil(row / group) + Math.floor((element % row) / group)
}

/** Bytes that packed codes need beyond their own, because whole words are written. */
export const PACKED_SPARE_BYTES = 8

/**
 * Whole numbers in groups that share a scale. `from` is the tensor's element that a call begins with;
 * entry 0 of what is kept per group, as f32, belongs to the group of that element.
 */
export interface IntegersKernels {
  /** Widens [low, high] of each group by the values of x. */
  groupExtremes(
    x: Region,
    count: number,
    from: number,
    grouping: Grouping,
    lows: Region,
    highs: Region,
  ): void
  /**
   * codes[i] = round(x[i] ÷ scale) + zero, between `first` and `last`, one byte each: the division in
   * f32, rounding half to even. A group whose scale is 0 holds zeros.
   */
  quantise(
    x: Region,
    codes: Region,
    count: number,
    from: number,
    grouping: Grouping,
    scales: Region,
    zeros: Region,
    range: { readonly first: number; readonly last: number },
  ): void
  /** out[i] = scale · (codes[i] − zero), the product rounded to f32 */
  dequantise(
    codes: Region,
    out: Region,
    count: number,
    from: number,
    grouping: Grouping,
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
    at: number,
    row: number,
    group: number,
    lows: number,
    highs: number,
  ): void
  quantise(
    x: number,
    codes: number,
    count: number,
    at: number,
    row: number,
    group: number,
    scales: number,
    zeros: number,
    first: number,
    last: number,
  ): void
  dequantise(
    codes: number,
    out: number,
    count: number,
    at: number,
    row: number,
    group: number,
    scales: number,
    zeros: number,
  ): void
  packCodes(codes: number, out: number, count: number, bits: number): void
  unpackCodes(packed: number, codes: number, count: number, bits: number): void
}

export function bindIntegers(wasm: IntegersExports): IntegersKernels {
  return {
    groupExtremes(x, count, from, grouping, lows, highs) {
      holdFloats(count, x)
      holdFloats(touched(count, from, grouping), lows, highs)
      const { row, group } = grouping
      wasm.groupExtremes(x.pointer, count, from % row, row, group, lows.pointer, highs.pointer)
    },
    quantise(x, codes, count, from, grouping, scales, zeros, { first, last }) {
      holdFloats(count, x)
      holds(codes, count)
      holdFloats(touched(count, from, grouping), scales, zeros)
      const { row, group } = grouping
      wasm.quantise(
        x.pointer,
        codes.pointer,
        count,
        from % row,
        row,
        group,
        scales.pointer,
        zeros.pointer,
        first,
        last,
      )
    },
    dequantise(codes, out, count, from, grouping, scales, zeros) {
      holds(codes, count)
      holdFloats(count, out)
      holdFloats(touched(count, from, grouping), scales, zeros)
      const { row, group } = grouping
      wasm.dequantise(
        codes.pointer,
        out.pointer,
        count,
        from % row,
        row,
        group,
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

/** Groups that a run of elements reaches into. */
function touched(count: number, from: number, grouping: Grouping): number {
  return count === 0 ? 0 : groupOf(from + count - 1, grouping) - groupOf(from, grouping) + 1
}
