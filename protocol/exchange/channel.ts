import type { Stream } from '@libp2p/interface'
import { messageStreamToDuplex } from '@libp2p/utils'
import { pipe } from 'it-pipe'
import { Uint8ArrayList } from 'uint8arraylist'
import { type CID, DeltaswarmError, MalformedError, NetworkError } from '../../src/index.ts'
import type { Buffers } from './buffers.ts'
import { type Allowance, createAllowance } from './credit.ts'
import { decodeFrames, encodeFrame, type Request, type Response } from './frames.ts'
import { MAX_BLOCK_BUFFER_BYTES } from '../limits.ts'

/** Who asked for something on a channel. */
export interface Listener {
  hear(peer: string, response: Response): void
  /** How many blocks of a want may still come. */
  openBlocks(id: number): number
  /** The stream is gone; nothing more will come from this peer. */
  gone(peer: string, error: DeltaswarmError): void
}

export type HaveResponse = Extract<Response, { type: 'have' }>

/** The stream that we opened to one peer. All fetches share it; each answer finds its asker. */
export interface Channel {
  readonly peer: string
  readonly allowance: Allowance
  /** Bytes that came on it, to see whether a peer that completes no block is alive. */
  readonly bytesIn: number
  join(listener: Listener): void
  /** What is still to come of `open`, wants and their blocks, is let pass. */
  leave(listener: Listener, open: readonly { readonly id: number; readonly open: number }[]): void
  want(listener: Listener, want: { id: number; root: CID; blocks: readonly CID[] }): void
  cancel(id: number): void
  /** Rejects with `NetworkError` when the stream ends or the peer chokes us. */
  have(root: CID): Promise<HaveResponse>
  /** Resets the stream. */
  abort(error: DeltaswarmError): void
}

/** How long a want is of use: no longer than we wait for a silent peer, and then some. */
const WANT_DEADLINE_MS = 60_000

/**
 * Reads `stream` until it ends, then calls `onEnd` once. A peer that breaks the framing or answers
 * what nobody asked ends it with `MalformedError`.
 */
export function createChannel(
  stream: Stream,
  peer: string,
  buffers: Buffers,
  onEnd: (error: DeltaswarmError) => void,
): Channel {
  const allowance = createAllowance()
  const listeners = new Set<Listener>()
  /** By the id of a want: who asked or, when that one has left, how many blocks may still come. */
  const routes = new Map<number, Listener | number>()
  const asked = new Map<string, PromiseWithResolvers<HaveResponse>>()
  let bytesIn = 0
  let ended: DeltaswarmError | undefined

  // The window may grow to half of this, so nothing that is on its way can overflow it.
  stream.maxReadBufferLength = MAX_BLOCK_BUFFER_BYTES
  void read()

  async function read(): Promise<void> {
    const end = new NetworkError('E_STREAM_ENDED', `the stream to ${peer} ended`)
    // A stream that was reset while it opened tells nobody any more.
    if (stream.status !== 'open') return finish(end)
    try {
      await pipe(
        messageStreamToDuplex(stream).source,
        count,
        decodeFrames('response', buffers),
        async (responses) => {
          for await (const response of responses) route(response)
        },
      )
      finish(end)
    } catch (error) {
      if (error instanceof DeltaswarmError) finish(error)
      else finish(new NetworkError('E_STREAM_ENDED', end.message, { cause: error }))
    }
  }

  async function* count<T extends Uint8Array | Uint8ArrayList>(
    chunks: AsyncIterable<T>,
  ): AsyncGenerator<T> {
    for await (const chunk of chunks) {
      bytesIn += chunk.byteLength
      yield chunk
    }
  }

  function route(response: Response): void {
    if (response.type === 'choke') {
      for (const listener of listeners) listener.hear(peer, response)
      for (const { reject } of asked.values()) {
        reject(new NetworkError('E_CHOKED', `${peer} is busy: ${response.reason}`))
      }
      asked.clear()
    } else if (response.type === 'have') {
      const key = response.root.toString()
      asked.get(key)?.resolve(response)
      asked.delete(key)
    } else {
      routeAnswer(response)
    }
  }

  function routeAnswer(response: Extract<Response, { type: 'block' | 'dont' }>): void {
    const { id } = response
    const target = routes.get(id)
    if (target === undefined) {
      throw new MalformedError('E_UNASKED', 'the peer answered what was not asked')
    }
    if (typeof target !== 'number') {
      target.hear(peer, response)
      if (target.openBlocks(id) === 0) routes.delete(id)
      return
    }
    const left = target - (response.type === 'block' ? 1 : response.i.length)
    if (left > 0) routes.set(id, left)
    else routes.delete(id)
  }

  function finish(error: DeltaswarmError): void {
    if (ended !== undefined) return
    ended = error
    stream.abort(error)
    onEnd(error)
    for (const listener of listeners) listener.gone(peer, error)
    for (const { reject } of asked.values()) reject(error)
    listeners.clear()
    routes.clear()
    asked.clear()
  }

  /** A stream that closes right now says so to its reader; a lost request needs no other word. */
  function send(request: Request): void {
    if (stream.writeStatus === 'writable') stream.send(new Uint8ArrayList(...encodeFrame(request)))
  }

  return {
    peer,
    allowance,
    get bytesIn() {
      return bytesIn
    },
    join(listener) {
      if (ended === undefined) listeners.add(listener)
      else listener.gone(peer, ended)
    },
    leave(listener, open) {
      listeners.delete(listener)
      for (const { id, open: blocks } of open) if (routes.has(id)) routes.set(id, blocks)
    },
    want(listener, { id, root, blocks }) {
      routes.set(id, listener)
      send({ type: 'want', id, root, blocks, deadline: WANT_DEADLINE_MS })
    },
    cancel(id) {
      send({ type: 'cancel', id })
    },
    have(root) {
      if (ended !== undefined) return Promise.reject(ended)
      const key = root.toString()
      const pending = asked.get(key) ?? Promise.withResolvers<HaveResponse>()
      if (!asked.has(key)) {
        asked.set(key, pending)
        send({ type: 'have?', root })
      }
      return pending.promise
    },
    abort: finish,
  }
}
