import { allocateBuffers } from '../../compute/buffers.ts'
import type { Kernels, Region } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { partitionBytes, partitionTable } from '../partition/partition.ts'
import type { ScaleLayout } from '../scales/layout.ts'
import type { Codebook } from './codebook.ts'
import { piecesOf } from './units.ts'

/** Turns elements into codes of signs. */
export interface Coder extends Disposable {
  /** `count` elements of one unit. */
  codeUnit(unit: number, delta: Region, codes: Region, count: number): void
  /** The block of `count` elements from element `from` on. */
  codeBlock(delta: Region, codes: Region, from: number, count: number): void
}

/** Holds one codebook at a time, so units are best coded in order; `most` elements at once. */
export function createCoder(
  kernels: Kernels,
  layout: ScaleLayout,
  init: { bits: number; most: number; codebookOf: (unit: number) => Codebook },
): Coder {
  const { bits, most, codebookOf } = init
  const blocks = 2 ** (bits - 1)
  const sizes = [...partitionBytes(blocks), 256, most] as const
  const buffers = allocateBuffers(kernels, sizes)
  const [borders, ties, codeOfBlock, own] = buffers.regions
  const table = partitionTable(blocks, borders, ties)
  let current = -1

  const codeUnit: Coder['codeUnit'] = (unit, delta, codes, count) => {
    if (unit !== current) {
      const codebook = codebookOf(unit)
      table.set(codebook.partition)
      codeOfBlock.u8.set(codebook.codes)
      current = unit
    }
    kernels.assignBlocks(delta, codes, count, table)
    kernels.signCodes(delta, codes, codeOfBlock, count, bits)
  }

  return {
    codeUnit,
    codeBlock(delta, codes, from, count) {
      for (const piece of piecesOf(layout, from, count)) {
        const part = sliceRegion(delta, piece.at * 4, piece.count * 4)
        codeUnit(piece.unit, part, own, piece.count)
        codes.u8.set(own.u8.subarray(0, piece.count), piece.at)
      }
    },
    [Symbol.dispose]: () => buffers[Symbol.dispose](),
  }
}
