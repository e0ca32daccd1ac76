import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import type { Region } from './region.ts'

/**
 * What kernels with sums in f64 need besides: the pointer of 32 KiB for the sums of a call's
 * blocks.
 */
export interface BlockSumsExports {
  readonly scratch: { readonly value: number }
}

/** How far the pointer to a block's sum moves per element. */
export const SUM = 8 / BLOCK_ELEMENTS

/** The blocks whose sums the 32 KiB of `scratch` hold. */
const MAXIMUM_BLOCKS = 4096

/**
 * Adds the sums of `count` elements' blocks to `before`, one by one in index order. `sumBlocks` is
 * called for as many blocks at a time as there is room for; it stores their sums from `sums` on.
 */
export function foldBlocks(
  { scratch }: BlockSumsExports,
  { u8 }: Region,
  count: number,
  before: number,
  sumBlocks: (from: number, count: number, sums: number) => void,
): number {
  const sums = new Float64Array(u8.buffer, scratch.value, MAXIMUM_BLOCKS)
  let sum = before
  for (let from = 0; from < count; from += MAXIMUM_BLOCKS * BLOCK_ELEMENTS) {
    const size = Math.min(count - from, MAXIMUM_BLOCKS * BLOCK_ELEMENTS)
    sumBlocks(from, size, scratch.value)
    for (let i = 0; i * BLOCK_ELEMENTS < size; i++) sum += sums[i]!
  }
  return sum
}
