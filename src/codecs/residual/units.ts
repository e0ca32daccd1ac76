import { allocateBuffers } from '../../compute/buffers.ts'
import { doublesOf } from '../../compute/doubles-of.ts'
import { BLOCK_SUMS_BYTES, type Kernels } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import type { DeltaTensor } from '../index.ts'
import { createPartitionTable } from '../partition/partition.ts'
import type { ScaleLayout } from '../scales/layout.ts'
import { blockCapacity, eachBlock } from '../sections/block.ts'
import type { Codebook } from './codebook.ts'

/** A unit is what shares its scales: a matrix or a row. A piece is the part of one in a block. */
export interface Piece {
  readonly unit: number
  /** First element in the block, and how many. */
  readonly at: number
  readonly count: number
  /** Whether the unit begins and ends with this piece. */
  readonly begins: boolean
  readonly ends: boolean
}

/** The pieces of the block of `count` elements from element `from` on. */
export function* piecesOf({ columns }: ScaleLayout, from: number, count: number): Generator<Piece> {
  for (let at = 0; at < count;) {
    const unit = Math.floor((from + at) / columns)
    const start = unit * columns - from
    const end = Math.min(count, start + columns)
    yield { unit, at, count: end - at, begins: at === start, ends: end === start + columns }
    at = end
  }
}

/** Σ|x| and the number of elements for each block of a codebook's partition, in f64. */
export interface UnitSums {
  sum(block: number): number
  count(block: number): number
}

/** One pass that sums magnitudes by the blocks of each unit's codebook, element by element. */
export async function sumUnits(
  tensor: DeltaTensor,
  layout: ScaleLayout,
  kernels: Kernels,
  codebookOf: (unit: number) => Codebook,
  finish: (unit: number, codebook: Codebook, sums: UnitSums) => void,
): Promise<void> {
  using table = createPartitionTable(kernels, 256)
  using buffers = allocateBuffers(kernels, [blockCapacity(tensor.spec), BLOCK_SUMS_BYTES])
  const [indexes, sums] = buffers.regions
  const pairs = doublesOf(sums)
  const unitSums: UnitSums = {
    sum: (block) => pairs[2 * block]!,
    count: (block) => pairs[2 * block + 1]!,
  }
  let codebook: Codebook | undefined
  for await (const block of eachBlock(tensor)) {
    for (const piece of piecesOf(layout, block.from, block.count)) {
      if (codebook === undefined || piece.begins) {
        codebook = codebookOf(piece.unit)
        table.set(codebook.partition)
        pairs.fill(0)
      }
      const delta = sliceRegion(block.delta, piece.at * 4, piece.count * 4)
      kernels.assignBlocks(delta, indexes, piece.count, table)
      kernels.sumMagnitudeBlocks(delta, indexes, piece.count, sums)
      if (piece.ends) finish(piece.unit, codebook, unitSums)
    }
  }
}
