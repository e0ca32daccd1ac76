import type { Key } from '../../random.ts'
import { InvalidInputError } from '../../errors.ts'
import { holdBits, holdFloats, type Region } from './region.ts'
import { BIT, FLOAT, type Splits } from './split.ts'

/** Masks, drawn from a seed or given as bits. */
export interface MaskKernels {
  /**
   * Generalised DARE over elements `from … from+count` of the tensor whose mask has `key`: an
   * element whose Philox word is below `threshold` (in [0, 2³²]) becomes `dropped · x`, every other
   * `kept · x`. A factor of 0 gives +0 whatever the sign, a factor of 1 keeps the bits. `from` is a
   * multiple of 4.
   */
  maskedScale(x: Region, out: Region, count: number, mask: MaskedScale): void
  /** Bit i of `bits` (little endian within bytes) is 1 where the element is kept. */
  maskBits(bits: Region, count: number, mask: Omit<MaskedScale, 'dropped' | 'kept'>): void
  /** The same with a mask that is given: `set · x` where a bit is 1, `clear · x` where it is 0. */
  scaleByBits(
    x: Region,
    bits: Region,
    out: Region,
    count: number,
    factors: { readonly set: number; readonly clear: number },
  ): void
}

export interface MaskedScale {
  readonly key: Key
  readonly from: number
  /** 0 … 2³²; see `dropThreshold`. */
  readonly threshold: number
  readonly kept: number
  readonly dropped: number
}

/** What assembly/mask.ts exports. */
export interface MaskExports {
  /** The mask starts with block `high` · 2³² + `low`. */
  maskedScale(
    x: number,
    out: number,
    count: number,
    low: number,
    high: number,
    key0: number,
    key1: number,
    threshold: number,
    kept: number,
    dropped: number,
  ): void
  maskBits(
    bits: number,
    count: number,
    low: number,
    high: number,
    key0: number,
    key1: number,
    threshold: number,
  ): void
  scaleByBits(x: number, bits: number, out: number, count: number, set: number, clear: number): void
}

export const maskSplits: Splits<MaskExports> = {
  maskedScale: { moves: [FLOAT, FLOAT, 'count', 'low', 'high', 0, 0, 0, 0, 0], work: 16 },
  maskBits: { moves: [BIT, 'count', 'low', 'high', 0, 0, 0], work: 16 },
  scaleByBits: { moves: [FLOAT, BIT, FLOAT, 'count', 0, 0], work: 2 },
}

export function bindMask(wasm: MaskExports): MaskKernels {
  return {
    maskedScale(x, out, count, mask) {
      holdFloats(count, x, out)
      const [low, high] = philoxBlockOf(mask)
      const { key, threshold, kept, dropped } = mask
      wasm.maskedScale(
        x.pointer,
        out.pointer,
        count,
        low,
        high,
        key[0],
        key[1],
        threshold,
        kept,
        dropped,
      )
    },
    maskBits(bits, count, mask) {
      holdBits(count, bits)
      const [low, high] = philoxBlockOf(mask)
      const { key, threshold } = mask
      wasm.maskBits(bits.pointer, count, low, high, key[0], key[1], threshold)
    },
    scaleByBits(x, bits, out, count, { set, clear }) {
      holdFloats(count, x, out)
      holdBits(count, bits)
      wasm.scaleByBits(x.pointer, bits.pointer, out.pointer, count, set, clear)
    },
  }
}

/** The Philox block of the first element, as two words. */
export function philoxBlockOf({ from }: Pick<MaskedScale, 'from'>): [low: number, high: number] {
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
  return [(from / 4) >>> 0, Math.floor(from / 2 ** 34)]
}
