import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { type BlockSumsExports, foldBlocks, SUM } from './block-sums.ts'
import { holdBits, holdFloats, type Region } from './region.ts'
import { BIT, FLOAT, type Splits } from './split.ts'

/** What a one-bit code needs of a delta, in one pass over it. */
export interface SignPlanesKernels {
  /**
   * Fills `signs` as `packSigns` and `nonzero` as `packNonzero` does, and gives what
   * `sumMagnitudes` gives, Σ |x| added to `before`.
   */
  signsAndMagnitude(
    x: Region,
    signs: Region,
    nonzero: Region,
    count: number,
    before?: number,
  ): number
}

/** What assembly/sign-planes.ts exports; sums of blocks are stored from `sums` on. */
export interface SignPlanesExports extends BlockSumsExports {
  signsAndMagnitude(x: number, signs: number, nonzero: number, count: number, sums: number): void
}

export const signPlanesSplits: Splits<SignPlanesExports> = {
  signsAndMagnitude: {
    moves: [FLOAT, BIT, BIT, 'count', SUM],
    work: 2,
    grain: BLOCK_ELEMENTS,
  },
}

export function bindSignPlanes(wasm: SignPlanesExports): SignPlanesKernels {
  return {
    signsAndMagnitude(x, signs, nonzero, count, before = 0) {
      holdFloats(count, x)
      for (const bits of [signs, nonzero]) holdBits(count, bits)
      return foldBlocks(wasm, x, count, before, (from, size, sums) => {
        const [sign, other] = [signs.pointer + BIT * from, nonzero.pointer + BIT * from]
        wasm.signsAndMagnitude(x.pointer + FLOAT * from, sign, other, size, sums)
      })
    },
  }
}
