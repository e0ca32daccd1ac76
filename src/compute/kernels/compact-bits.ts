import { holdBits, type Region } from './region.ts'

/** What `compact` and `expand` do to values, done to bits. */
export interface CompactBitsKernels {
  /**
   * Copies the bits that are 1 in `mask` to the front of `out`, another region, in order; spare bits
   * of its last byte are 0. Returns how many.
   */
  compactBits(bits: Region, mask: Region, out: Region, count: number): number
  /**
   * The inverse: spreads the next bits over the ones of `mask`, 0 elsewhere and behind the last, into
   * another region; returns how many it used.
   */
  expandBits(bits: Region, mask: Region, out: Region, count: number): number
}

/** What assembly/compact-bits.ts exports. */
export interface CompactBitsExports {
  countBits(bits: number, count: number): number
  compactBits(bits: number, mask: number, out: number, count: number): number
  expandBits(bits: number, mask: number, out: number, count: number): number
}

export function bindCompactBits(wasm: CompactBitsExports): CompactBitsKernels {
  return {
    compactBits(bits, mask, out, count) {
      holdBits(count, bits)
      holdBits(count, mask)
      holdBits(wasm.countBits(mask.pointer, count), out)
      return wasm.compactBits(bits.pointer, mask.pointer, out.pointer, count) >>> 0
    },
    expandBits(bits, mask, out, count) {
      holdBits(count, mask)
      holdBits(count, out)
      holdBits(wasm.countBits(mask.pointer, count), bits)
      return wasm.expandBits(bits.pointer, mask.pointer, out.pointer, count) >>> 0
    },
  }
}
