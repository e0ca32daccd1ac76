import type { Checkpoint } from '../tensors/checkpoint.ts'
import { bytesOf, type TensorSpec } from '../tensors/tensor.ts'

export interface StreamOptions {
  readonly signal?: AbortSignal
  /** Bytes dealt with so far and in all, unless a function counts something else. */
  readonly onProgress?: (done: number, total: number) => void
}

/** Larger pieces read no faster, and two of them are held. A multiple of every dtype's size. */
const STREAM_BYTES = 2 ** 18

/**
 * The bytes of one tensor from first to last, in pieces of `STREAM_BYTES` that are valid until the
 * next is asked for. The next piece is read while the caller works on this one.
 */
export async function* streamTensor(
  checkpoint: Checkpoint,
  spec: TensorSpec,
  { signal, onProgress }: StreamOptions = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const total = bytesOf(spec)
  const size = Math.min(STREAM_BYTES, total)
  let [current, next] = [new Uint8Array(size), new Uint8Array(total > size ? size : 0)]
  const fetch = async (offset: number, buffer: Uint8Array<ArrayBuffer>) => {
    const piece = buffer.subarray(0, Math.min(size, total - offset))
    await checkpoint.read(spec.name, offset, piece)
    return piece
  }
  let ahead = total > 0 ? fetch(0, current) : undefined
  try {
    for (let offset = 0; ahead !== undefined; offset += size) {
      signal?.throwIfAborted()
      const piece: Uint8Array<ArrayBuffer> = await ahead
      ahead = offset + size < total ? fetch(offset + size, next) : undefined
      yield piece
      onProgress?.(offset + piece.length, total)
      ;[current, next] = [next, current]
    }
  } finally {
    await ahead?.catch(() => undefined)
  }
}

/**
 * Whether two tensors of one dtype and shape have equal bytes; reads no further than the first
 * difference.
 */
export async function sameTensor(
  a: Checkpoint,
  inA: TensorSpec,
  b: Checkpoint,
  inB: TensorSpec,
  options: StreamOptions = {},
): Promise<boolean> {
  const other = streamTensor(b, inB)
  try {
    for await (const piece of streamTensor(a, inA, options)) {
      const { value } = await other.next()
      if (value === undefined || Buffer.compare(piece, value) !== 0) return false
    }
    return true
  } finally {
    await other.return(undefined)
  }
}
