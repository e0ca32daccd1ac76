import type { Key } from '../../random.ts'
import { InvalidInputError } from '../../errors.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { type BlockSumsExports, foldBlocks, SUM } from './block-sums.ts'
import { holdBits, holdFloats, type Region } from './region.ts'
import { BIT, FLOAT, type Splits } from './split.ts'

/** Masks, drawn from a seed or given as bits. */
export interface MaskKernels {
  /**
   * Generalised DARE over elements `from … from+count` of the tensor whose mask has `key`: an element
   * whose Philox word is below `threshold` (in [0, 2³²]) becomes `dropped · x`, every other
   * `kept · x`. A factor of 0 gives +0 whatever the sign, a factor of 1 keeps the bits. `from` is a
   * multiple of 4.
   */
  maskedScale(x: Region, out: Region, count: number, mask: MaskedScale): void
  /** Bit i of `bits` (little endian within bytes) is 1 where the element is kept. */
  maskBits(bits: Region, count: number, mask: Mask): void
  /** The same with a mask that is given: `set · x` where a bit is 1, `clear · x` where it is 0. */
  scaleByBits(
    x: Region,
    bits: Region,
    out: Region,
    count: number,
    factors: { readonly set: number; readonly clear: number },
  ): void
  /** What `sumMagnitudes` gives of x with the dropped elements at 0. */
  sumKept(x: Region, count: number, mask: Mask, before?: number): number
}

export interface Mask {
  readonly key: Key
  readonly from: number
  /** 0 … 2³²; see `dropThreshold`. */
  readonly threshold: number
}

export interface MaskedScale extends Mask {
  readonly kept: number
  readonly dropped: number
}

/** What assembly/mask.ts exports; sums of blocks are stored from `sums` on. */
export interface MaskExports extends BlockSumsExports {
  maskedScale(
    x: number,
    out: number,
    count: number,
    block: number,
    key0: number,
    key1: number,
    threshold: number,
    kept: number,
    dropped: number,
  ): void
  maskBits(
    bits: number,
    count: number,
    block: number,
    key0: number,
    key1: number,
    threshold: number,
  ): void
  scaleByBits(x: number, bits: number, out: number, count: number, set: number, clear: number): void
  sumKept(
    x: number,
    count: number,
    block: number,
    key0: number,
    key1: number,
    threshold: number,
    sums: number,
  ): void
}

export const maskSplits: Splits<MaskExports> = {
  maskedScale: { moves: [FLOAT, FLOAT, 'count', 'block', 0, 0, 0, 0, 0], work: 16 },
  maskBits: { moves: [BIT, 'count', 'block', 0, 0, 0], work: 16 },
  scaleByBits: { moves: [FLOAT, BIT, FLOAT, 'count', 0, 0] },
  sumKept: {
    moves: [FLOAT, 'count', 'block', 0, 0, 0, SUM],
    work: 16,
    grain: BLOCK_ELEMENTS,
  },
}

export function bindMask(wasm: MaskExports): MaskKernels {
  return {
    maskedScale(x, out, count, mask) {
      holdFloats(count, x, out)
      const { key, threshold, kept, dropped } = mask
      wasm.maskedScale(
        x.pointer,
        out.pointer,
        count,
        blockOf(mask),
        key[0],
        key[1],
        threshold,
        kept,
        dropped,
      )
    },
    maskBits(bits, count, mask) {
      holdBits(count, bits)
      const { key, threshold } = mask
      wasm.maskBits(bits.pointer, count, blockOf(mask), key[0], key[1], threshold)
    },
    sumKept(x, count, mask, before = 0) {
      holdFloats(count, x)
      const { key, threshold } = mask
      const first = blockOf(mask)
      return foldBlocks(wasm, x, count, before, (from, size, sums) => {
        const at = x.pointer + FLOAT * from
        wasm.sumKept(at, size, first + from / 4, key[0], key[1], threshold, sums)
      })
    },
    scaleByBits(x, bits, out, count, { set, clear }) {
      holdFloats(count, x, out)
      holdBits(count, bits)
      wasm.scaleByBits(x.pointer, bits.pointer, out.pointer, count, set, clear)
    },
  }
}

/** The number of the first element's Philox block. */
function blockOf({ from }: Mask): number {
  if (!(Number.isSafeInteger(from) && from >= 0 && from % 4 === 0)) {
    throw new InvalidInputError(
      'E_REGION',
      `expected \`from\` to be a multiple of 4, got ${from}`,
      {
        expected: 'a multiple of 4',
        actual: from,
      },
    )
  }
  return from / 4
}
