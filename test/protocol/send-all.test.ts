import assert from 'node:assert/strict'
import type { Stream } from '@libp2p/interface'
import { sendAll } from '../../protocol/exchange/send-all.ts'
import { SEND_STALLED_MS } from '../../protocol/limits.ts'
import { createFakeClock } from './fake-clock.ts'

const CHUNK_BYTES = 1000

/** The side of a stream that `sendAll` sees; the peer takes bytes only when told to. */
function createSlowStream() {
  const stream = Object.assign(new EventTarget(), {
    status: 'open' as Stream['status'],
    writeBufferLength: 0,
    writableNeedsDrain: false,
    sent: 0,
    send({ byteLength }: Uint8Array) {
      stream.sent += 1
      stream.writeBufferLength += byteLength
      return false
    },
    take(bytes: number) {
      stream.writeBufferLength -= bytes
      stream.dispatchEvent(new Event('drain'))
    },
  })
  return stream
}

async function* chunks(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield new Uint8Array(CHUNK_BYTES)
}

/** Steps below the limit, so that one is too short and two are too long. */
const STEP_MS = SEND_STALLED_MS - 1000

describe('sending to a slow peer', () => {
  it('goes on as long as each chunk is taken in time', async () => {
    const clock = createFakeClock()
    const stream = createSlowStream()
    const sending = sendAll(stream as unknown as Stream, chunks(5), clock)
    for (let taken = 0; taken < 5; taken++) {
      await clock.pass(STEP_MS)
      assert.equal(stream.sent, taken + 1)
      stream.take(CHUNK_BYTES)
    }
    await sending
  })

  it('ends when a chunk is not taken in time, also when a few bytes of it are', async () => {
    for (const bytes of [0, 1]) {
      const clock = createFakeClock()
      const stream = createSlowStream()
      const sending = sendAll(stream as unknown as Stream, chunks(5), clock)
      const rejects = assert.rejects(sending, { name: 'NetworkError', id: 'E_STREAM_STALLED' })
      for (let step = 0; step < 2; step++) {
        await clock.pass(STEP_MS)
        stream.take(bytes)
      }
      await rejects
      assert.equal(stream.sent, 1)
    }
  })

  it('ends when the stream does', async () => {
    const stream = createSlowStream()
    const sending = sendAll(stream as unknown as Stream, chunks(5), createFakeClock())
    const rejects = assert.rejects(sending, { name: 'NetworkError', id: 'E_STREAM_ENDED' })
    await new Promise((resolve) => setImmediate(resolve))
    stream.status = 'reset'
    stream.dispatchEvent(new Event('close'))
    await rejects
  })
})
