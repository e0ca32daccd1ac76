import type { Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'
import { NetworkError } from '../../src/index.ts'

/**
 * Sends chunk after chunk, each when the stream has passed on all of the last; a sink for `pipe`.
 * `drain` alone does not say that: yamux emits it for every few KiB of window that the reader gives,
 * and one chunk per `drain` overflows the write buffer. Rejects when the stream closes.
 */
export async function sendAll(
  stream: Stream,
  chunks: AsyncIterable<Uint8Array | Uint8ArrayList>,
): Promise<void> {
  for await (const chunk of chunks) {
    stream.send(chunk)
    while (stream.writeBufferLength > 0 || stream.writableNeedsDrain) {
      if (stream.status !== 'open') throw new NetworkError('E_STREAM_ENDED', 'the stream closed')
      await anyOf(stream, ['idle', 'drain', 'close'])
    }
  }
}

function anyOf(stream: Stream, types: readonly ('idle' | 'drain' | 'close')[]): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const type of types) stream.removeEventListener(type, done)
      resolve()
    }
    for (const type of types) stream.addEventListener(type, done)
  })
}
