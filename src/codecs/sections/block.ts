import type { Region } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { dtypeBytes } from '../../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { DeltaChunk, DeltaReader, DeltaTensor } from '../index.ts'

/**
 * Codecs work block by block, whatever the size of the chunks that they are given or asked for;
 * that is why their bytes do not depend on it.
 */

/** Elements that a buffer for any block of this tensor must hold; at least 1. */
export function blockCapacity(spec: TensorSpec): number {
  return Math.max(1, Math.min(BLOCK_ELEMENTS, elementsOf(spec.shape)))
}

/** One pass over a tensor, one block at a time. */
export async function* eachBlock(tensor: DeltaTensor): AsyncGenerator<DeltaChunk> {
  const width = dtypeBytes[tensor.spec.dtype]
  for await (const { from, count, delta, base, post } of tensor.chunks()) {
    for (let at = 0; at < count; at += BLOCK_ELEMENTS) {
      const size = Math.min(BLOCK_ELEMENTS, count - at)
      yield {
        from: from + at,
        count: size,
        delta: sliceRegion(delta, at * 4, size * 4),
        base: sliceRegion(base, at * width, size * width),
        post: sliceRegion(post, at * width, size * width),
      }
    }
  }
}

/** Decodes `count` elements, the block that starts at element `from`, into `out`. */
export type BlockRead = (out: Region, count: number, base: Region, from: number) => Promise<void>

/** How one codec decodes block after block. */
export interface BlockDecoder {
  readonly read: BlockRead
  readonly readPost?: BlockRead
  /** After the last element: throws `MalformedError` when bytes are left over. */
  readonly end: () => void
  readonly close: () => void
}

/**
 * A reader that takes its counts apart into blocks. Each count but the last must be whole blocks;
 * others reject with `RangeError`.
 */
export function createBlockReader(spec: TensorSpec, decoder: BlockDecoder): DeltaReader {
  const elements = elementsOf(spec.shape)
  const baseWidth = dtypeBytes[spec.dtype]
  const { read, readPost, end: finish, close } = decoder
  let position = 0
  let closed = false

  const reading =
    (decode: BlockRead, width: number): DeltaReader['read'] =>
    async (out, count, base) => {
      const start = position
      const end = start + count
      if (end > elements || (end < elements && count % BLOCK_ELEMENTS !== 0)) {
        throw new RangeError(`${count} elements at ${start} of ${elements} are not whole blocks`)
      }
      while (position < end) {
        const at = position - start
        const size = Math.min(BLOCK_ELEMENTS, end - position)
        const blockOut = sliceRegion(out, at * width, size * width)
        await decode(blockOut, size, sliceRegion(base, at * baseWidth, size * baseWidth), position)
        position += size
      }
      if (position === elements) finish()
    }

  return {
    read: reading(read, 4),
    ...(readPost && { readPost: reading(readPost, baseWidth) }),
    close() {
      if (!closed) close()
      closed = true
    },
  }
}
