import type { Stream } from '@libp2p/interface'
import { messageStreamToDuplex } from '@libp2p/utils'
import { pipe } from 'it-pipe'
import { Uint8ArrayList } from 'uint8arraylist'
import type { Blockstore } from '../block.ts'
import type { Clock } from '../clock.ts'
import { decodeFrames, encodeFrame, type Response } from './frames.ts'
import { MAX_BLOCKS_AHEAD } from '../limits.ts'
import { createRequestQueue, type Job } from './request-queue.ts'
import { sendAll } from './send-all.ts'
import type { Turns } from './turns.ts'
import { heldBits, type LinksOf } from './walk.ts'

export interface ServerComponents {
  readonly blockstore: Blockstore
  readonly links: LinksOf
  readonly clock: Clock
  /** Shared by all streams, so that no peer reads more than its part from the store. */
  readonly turns: Turns
}

/**
 * Answers the requests of one stream until it ends: blocks that the store holds, `dont` for others.
 * Waits for the stream to drain after each block, so that a slow peer costs `MAX_BLOCKS_AHEAD`
 * blocks of memory, and for no longer than `SEND_STALLED_MS` without another taken. Rejects, with
 * the stream reset, when the peer takes none for that long or breaks the rules.
 */
export async function serveBlocks(
  stream: Stream,
  components: ServerComponents,
  onSent: (bytes: number) => void = () => {},
): Promise<void> {
  const queue = createRequestQueue()
  const { source } = messageStreamToDuplex(stream)
  try {
    await Promise.all([
      pipe(source, decodeFrames('request'), async (requests) => {
        for await (const request of requests) queue.accept(request, components.clock.now())
        queue.end()
      }),
      pipe(answers(), (chunks) => sendAll(stream, chunks, components.clock)),
    ])
    await stream.close()
  } catch (error) {
    stream.abort(error as Error)
    throw error
  } finally {
    queue.end()
  }

  async function* answers(): AsyncGenerator<Uint8ArrayList> {
    const ahead: Promise<Response>[] = []
    for (;;) {
      while (ahead.length < MAX_BLOCKS_AHEAD) {
        const job = queue.take()
        if (job === undefined) break
        ahead.push(answer(job, components))
      }
      const next = ahead.shift()
      if (next === undefined) {
        if (queue.ended) return
        await queue.wait()
        continue
      }
      const frame = await next
      yield new Uint8ArrayList(...encodeFrame(frame))
      if (frame.type === 'block') onSent(frame.bytes.length)
    }
  }
}

async function answer(job: Job, components: ServerComponents): Promise<Response> {
  const { blockstore, links, clock, turns } = components
  if (job.type === 'answer') return job.frame
  if (job.type === 'have') {
    const bits = await turns.run(() => heldBits(job.root, blockstore, links)).catch(() => nothing)
    return { type: 'have', root: job.root, ...bits }
  }
  const { id, i, cid, expires } = job
  const late = clock.now() > expires
  // A store that fails is one that does not have the block; its owner learns of it elsewhere.
  const bytes = late ? undefined : await turns.run(() => blockstore.get(cid)).catch(() => undefined)
  return bytes === undefined ? { type: 'dont', id, i: [i] } : { type: 'block', id, i, bytes }
}

/** The answer for a root that is no DAG of ours. */
const nothing = { count: 0, bits: new Uint8Array() }
