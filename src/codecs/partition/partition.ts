import { allocateBuffers } from '../../compute/buffers.ts'
import { type Borders, type Kernels, NO_BORDER, type Region } from '../../compute/kernels.ts'

/** Magnitudes cut into blocks by ascending borders. */
export interface Partition {
  /** f32 bits without the sign; an element of a border's magnitude is past it. */
  readonly borders: readonly number[]
  /** How many of them, in index order, stay before it after all. */
  readonly ties: readonly number[]
}

/** A partition as `assignBlocks` uses it up. */
export interface PartitionTable extends Borders {
  set(partition: Partition): void
}

/** Room for a partition into up to `blocks` blocks. */
export function createPartitionTable(
  kernels: Kernels,
  blocks: number,
): PartitionTable & Disposable {
  const buffers = allocateBuffers(kernels, partitionBytes(blocks))
  const table = partitionTable(blocks, ...buffers.regions)
  return { ...table, [Symbol.dispose]: () => buffers[Symbol.dispose]() }
}

/** Bytes of the two regions of a table for up to `blocks` blocks. */
export function partitionBytes(blocks: number): readonly [borders: number, ties: number] {
  return [sizeFor(blocks) * 4, sizeFor(blocks) * 4]
}

/** A table for up to `blocks` blocks in two regions. */
export function partitionTable(blocks: number, borders: Region, ties: Region): PartitionTable {
  return {
    blocks: sizeFor(blocks),
    borders,
    ties,
    set(partition) {
      borders.u32.fill(NO_BORDER)
      ties.u32.fill(0)
      borders.u32.set(partition.borders)
      ties.u32.set(partition.ties)
    },
  }
}

function sizeFor(blocks: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, blocks)))
}

/** The bits of the smallest f32 that is not below a number ≥ 0. */
export function borderAt(value: number): number {
  float[0] = value
  return float[0]! < value ? bits[0]! + 1 : bits[0]!
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)
