import type { Stream } from '@libp2p/interface'
import { byteStream } from '@libp2p/utils'
import { concat } from 'uint8arrays/concat'
import { LimitError } from '../../src/index.ts'

/**
 * Whole messages over a stream, each behind its length as four bytes, big endian. libp2p reads
 * ahead as fast as the peer sends, so the cap on unread bytes is what bounds memory, and only
 * request and response in turn keeps an honest peer below it. A fixed length field is read in one
 * step; the varint of `lpStream` would be read byte by byte for as long as a peer cares to send.
 */
export interface MessageStream {
  /** `undefined` at the end of the stream. Rejects with `LimitError` `E_MESSAGE_SIZE`. */
  read(options: { signal: AbortSignal }): Promise<Uint8Array | undefined>
  /** Resolves when the stream takes more. */
  write(message: Uint8Array, options: { signal: AbortSignal }): Promise<void>
}

const LENGTH_BYTES = 4

export function createMessageStream(stream: Stream, maxBytes: number): MessageStream {
  const bytes = byteStream(stream, { maxBufferSize: maxBytes + LENGTH_BYTES })
  return {
    async read(options) {
      const first = await bytes.read({ ...options, bytes: LENGTH_BYTES }).catch((error: Error) => {
        if (error.name === 'UnexpectedEOFError') return undefined
        throw error
      })
      if (first === undefined) return undefined
      const length = first.getUint32(0)
      if (length <= maxBytes) return (await bytes.read({ ...options, bytes: length })).subarray()
      throw new LimitError('E_MESSAGE_SIZE', `a message of ${length} bytes is too large`, {
        expected: `at most ${maxBytes} bytes`,
        actual: length,
      })
    },
    async write(message, options) {
      const length = new Uint8Array(LENGTH_BYTES)
      new DataView(length.buffer).setUint32(0, message.length)
      await bytes.write(concat([length, message]), options)
    },
  }
}
