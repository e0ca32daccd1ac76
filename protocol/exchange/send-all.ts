import type { Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'
import { NetworkError } from '../../src/index.ts'
import { type Clock, withTimeout } from '../clock.ts'
import { SEND_STALLED_MS } from '../limits.ts'

/**
 * Sends chunk after chunk, each when the stream has passed on all of the last; a sink for `pipe`.
 * `drain` alone does not say that: yamux emits it for every few KiB of window that the reader
 * gives, and one chunk per `drain` overflows the write buffer. Rejects with `NetworkError`:
 * `E_STREAM_ENDED` when the stream closes, `E_STREAM_STALLED` when the peer has not taken a chunk
 * after `SEND_STALLED_MS`, however often it takes a few bytes of it.
 */
export async function sendAll(
  stream: Stream,
  chunks: AsyncIterable<Uint8Array | Uint8ArrayList>,
  clock: Clock,
): Promise<void> {
  for await (const chunk of chunks) {
    stream.send(chunk)
    if (isFull(stream)) {
      await withTimeout(clock, SEND_STALLED_MS, undefined, (signal) => passedOn(stream, signal))
    }
  }
}

async function passedOn(stream: Stream, signal: AbortSignal): Promise<void> {
  while (isFull(stream)) {
    if (stream.status !== 'open') throw new NetworkError('E_STREAM_ENDED', 'the stream closed')
    if (signal.aborted) {
      throw new NetworkError('E_STREAM_STALLED', 'the peer does not take what it asked for', {
        expected: `a block within ${SEND_STALLED_MS} ms`,
        actual: `${stream.writeBufferLength} bytes left`,
      })
    }
    await anyOf(stream, ['idle', 'drain', 'close'], signal)
  }
}

function isFull(stream: Stream): boolean {
  return stream.writeBufferLength > 0 || stream.writableNeedsDrain
}

function anyOf(
  stream: Stream,
  types: readonly ('idle' | 'drain' | 'close')[],
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const type of types) stream.removeEventListener(type, done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    for (const type of types) stream.addEventListener(type, done)
    signal.addEventListener('abort', done)
  })
}
