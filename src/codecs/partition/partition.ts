import { type Borders, type Kernels, NO_BORDER } from '../../compute/kernels.ts'
import { allocateBuffers } from '../sections/block.ts'

/** Magnitudes cut into blocks by ascending borders. */
export interface Partition {
  /** f32 bits without the sign; an element of a border's magnitude is past it. */
  readonly borders: readonly number[]
  /** How many of them, in index order, stay before it after all. */
  readonly ties: readonly number[]
}

/** A partition as `assignBlocks` uses it up. */
export interface PartitionTable extends Borders, Disposable {
  set(partition: Partition): void
}

/** Room for a partition into up to `blocks` blocks. */
export function createPartitionTable(kernels: Kernels, blocks: number): PartitionTable {
  const size = 2 ** Math.ceil(Math.log2(Math.max(1, blocks)))
  const buffers = allocateBuffers(kernels, [size * 4, size * 4])
  const [borders, ties] = buffers.regions
  return {
    blocks: size,
    borders,
    ties,
    set(partition) {
      borders.u32.fill(NO_BORDER)
      ties.u32.fill(0)
      borders.u32.set(partition.borders)
      ties.u32.set(partition.ties)
    },
    [Symbol.dispose]: () => buffers[Symbol.dispose](),
  }
}

/** The bits of the smallest f32 that is not below a number ≥ 0. */
export function borderAt(value: number): number {
  float[0] = value
  return float[0]! < value ? bits[0]! + 1 : bits[0]!
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)
