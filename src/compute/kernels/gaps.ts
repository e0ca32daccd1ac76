import { holdBits, holds, type Region } from './region.ts'

/**
 * Golomb–Rice codes of a bitmap: before every one the number of zeros since the last, its quotient
 * by 2^order as that many 0 bits and a 1, then its `order` lowest bits; after the last one as many
 * 0 bits as no quotient can have any more. Bits fill bytes from the lowest. Order 0 is the bitmap
 * itself. `ones: false` codes the gaps between zeros instead.
 */
export interface GapCode {
  readonly ones: boolean
  /** 0 to `MAX_GAP_ORDER`. */
  readonly order: number
}

/** Gaps in a block have at most 16 bits. */
export const MAX_GAP_ORDER = 15

/** Bytes that an encoded bitmap needs beyond its own, because whole words are written. */
export const GAP_SPARE_BYTES = 8

/** Codes of bitmaps of at most 65,536 bits. */
export interface GapsKernels {
  /** Bits that `encodeGaps` writes. */
  gapBits(bits: Region, count: number, code: GapCode): number
  /** Writes ⌈gapBits ÷ 8⌉ bytes and returns how many; `out` has `GAP_SPARE_BYTES` more. */
  encodeGaps(bits: Region, count: number, code: GapCode, out: Region): number
  /**
   * Fills `bits` from the first `bytes` bytes of `source` and returns how many of them it used, or
   * −1 when they end early, leave the bitmap, or end in bits that are not 0.
   */
  decodeGaps(source: Region, bytes: number, bits: Region, count: number, code: GapCode): number
}

/** What assembly/gaps.ts exports. */
export interface GapsExports {
  gapBits(bits: number, count: number, flip: number, order: number): number
  encodeGaps(bits: number, count: number, flip: number, order: number, out: number): void
  decodeGaps(
    source: number,
    bytes: number,
    bits: number,
    count: number,
    flip: number,
    order: number,
  ): number
}

export function bindGaps(wasm: GapsExports): GapsKernels {
  const gapBits: GapsKernels['gapBits'] = (bits, count, { ones, order }) => {
    holdBits(count, bits)
    return wasm.gapBits(bits.pointer, count, Number(!ones), order) >>> 0
  }
  return {
    gapBits,
    encodeGaps(bits, count, code, out) {
      const bytes = Math.ceil(gapBits(bits, count, code) / 8)
      holds(out, bytes + GAP_SPARE_BYTES)
      wasm.encodeGaps(bits.pointer, count, Number(!code.ones), code.order, out.pointer)
      return bytes
    },
    decodeGaps(source, bytes, bits, count, { ones, order }) {
      holds(source, bytes)
      holdBits(count, bits)
      return wasm.decodeGaps(source.pointer, bytes, bits.pointer, count, Number(!ones), order)
    },
  }
}
