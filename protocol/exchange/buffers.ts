import { MAX_BLOCK_BYTES } from '../limits.ts'

/** Memory for blocks that come, used again once they are stored. */
export interface Buffers {
  /** `size` bytes of any content. */
  take(size: number): Uint8Array
  /** Nobody holds `bytes`, which `take` gave, any more. */
  give(bytes: Uint8Array): void
}

/** What a store that writes to a disk has open at a time. */
const MOST_KEPT = 16

/**
 * A megabyte per block, allocated and collected hundreds of times a second, is what a fetch would
 * spend its memory and much of its time on.
 */
export function createBuffers(): Buffers {
  const free: ArrayBuffer[] = []
  return {
    take(size) {
      // Small blocks would waste what is kept for large ones.
      const whole = size > MAX_BLOCK_BYTES / 2
      const buffer = whole ? (free.pop() ?? allocate(MAX_BLOCK_BYTES)) : allocate(size)
      return new Uint8Array(buffer, 0, size)
    },
    give({ buffer }) {
      if (buffer.byteLength === MAX_BLOCK_BYTES && free.length < MOST_KEPT) {
        free.push(buffer as ArrayBuffer)
      }
    },
  }
}

/** Not zeroed first: nobody sees the bytes before all of them are written. */
function allocate(size: number): ArrayBuffer {
  return Buffer.allocUnsafeSlow(size).buffer as ArrayBuffer
}
