/**
 * Elements per block. Reductions are summed block by block in index order, codecs store frames
 * block by block, and every chunk but a tensor's last holds whole blocks; so no result depends on
 * the chunk size. 65,536 elements are 256 KiB of f32, which stays in a core's L2 cache.
 */
export const BLOCK_ELEMENTS = 65_536

/**
 * Elements per chunk unless a memory ceiling asks for another size: 4 blocks, 1 MiB of f32 per buffer.
 * Merges ran no faster with larger chunks, which leave the cache, nor with smaller reads.
 */
export const CHUNK_ELEMENTS = 4 * BLOCK_ELEMENTS

/**
 * Elements of a block of rows: as many as a block has room for, at least one. Chunks of rows but a
 * tensor's last hold whole such blocks, for the same reason.
 */
export function rowBlockElements(row: number): number {
  return Math.max(1, Math.floor(BLOCK_ELEMENTS / row)) * row
}
