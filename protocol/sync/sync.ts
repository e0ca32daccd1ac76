import type { Libp2p, PeerId, Stream } from '@libp2p/interface'
import { equals } from 'uint8arrays/equals'
import { toString } from 'uint8arrays/to-string'
import { NetworkError } from '../../src/index.ts'
import { type Clock, withTimeout } from '../clock.ts'
import type { SealedRecord } from '../formats/record.ts'
import {
  MAX_SYNC_REQUEST_BYTES,
  MAX_SYNC_REQUESTS,
  MAX_SYNC_RESPONSE_BYTES,
  MAX_SYNC_SESSIONS,
  MAX_SYNC_STREAMS,
  SYNC_ANSWER_TIMEOUT_MS,
  SYNC_SESSION_TIMEOUT_MS,
} from '../limits.ts'
import { createMessageStream, type MessageStream } from './message-stream.ts'
import { createIdIndex } from './reconcile.ts'
import type { RecordSet } from '../record-set.ts'
import { type Ask, createPostponed, pull } from './client.ts'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type SyncRequest,
} from './messages.ts'
import { answer } from './server.ts'
import { createSessions } from './sessions.ts'
import { publicNetworkId } from '../signature.ts'
import type { Verdict } from '../verdict.ts'

/**
 * Networks do not mix: only peers of one network offer each other its protocol, which names every
 * network but the public one.
 */
export function syncProtocol(networkId: Uint8Array): string {
  if (equals(networkId, publicNetworkId)) return '/deltaswarm/sync/0'
  return `/deltaswarm/${toString(networkId.subarray(0, 8), 'hex')}/sync/0`
}

export interface SyncComponents {
  readonly libp2p: Pick<
    Libp2p,
    'handle' | 'unhandle' | 'register' | 'unregister' | 'getConnections'
  >
  readonly records: RecordSet
  readonly clock: Clock
  readonly judge: (bytes: Uint8Array) => Verdict
}

export interface SyncInit {
  readonly networkId: Uint8Array
  /** How often every connected peer is asked, besides at once when it connects. @default 30_000 */
  readonly intervalMs?: number
  /** Records that a peer brought; they are in the set already. */
  readonly onRecords?: (records: readonly SealedRecord[], peer: PeerId) => void
  /** A session that ended early: the peer went away, was slow, or sent what it should not. */
  readonly onFailure?: (error: Error, peer: PeerId) => void
}

export const syncDefaults = { intervalMs: 30_000 } as const

/**
 * Keeps record sets equal: gossip alone loses messages. Each node fetches what it lacks from every
 * peer on connect and at regular intervals, so between any two connected nodes both directions run.
 */
export interface Sync {
  start(): Promise<void>
  /** Ends running sessions and waits for them; may be called twice. */
  stop(): Promise<void>
  /**
   * Fetches from one peer, after the session that runs with it, if any; resolves with the number of
   * new records. Rejects with `NetworkError`: `E_SYNC_REFUSED` when the peer sends what it had to
   * know is wrong, else `E_SYNC_FAILED`.
   */
  pullFrom(peer: PeerId): Promise<number>
}

export function createSync(components: SyncComponents, init: SyncInit): Sync {
  const { libp2p, records, clock, judge } = components
  const { networkId, intervalMs, onRecords, onFailure } = { ...syncDefaults, ...init }
  const protocol = syncProtocol(networkId)
  const postponed = createPostponed()
  const ids = createIdIndex()
  const peers = new Map<string, PeerId>()
  const sessions = createSessions()
  const waiting = new Map<string, PeerId>()
  const running = new Map<string, Promise<void>>()
  let stopping = new AbortController()
  let topology: string | undefined
  let cancelTimer: (() => void) | undefined

  /** The ids of `records`, of which only those added since the last call are new to the index. */
  function index() {
    let position = 0
    for (const id of records.ids()) {
      if (position++ >= ids.size) ids.add(id.multihash.digest)
    }
    return ids
  }

  async function serve(stream: Stream): Promise<void> {
    const messages = createMessageStream(stream, MAX_SYNC_REQUEST_BYTES)
    const turn = async (signal: AbortSignal): Promise<boolean> => {
      const bytes = await messages.read({ signal })
      if (bytes === undefined) return false
      const response = await answer(decodeRequest(bytes), index(), records)
      await messages.write(encodeResponse(response), { signal })
      return true
    }
    try {
      for (let requests = 0; requests < MAX_SYNC_REQUESTS; requests++) {
        if (!(await withTimeout(clock, SYNC_ANSWER_TIMEOUT_MS, stopping.signal, turn))) break
      }
      await withTimeout(clock, SYNC_ANSWER_TIMEOUT_MS, stopping.signal, (signal) =>
        stream.close({ signal }),
      )
    } catch (error) {
      stream.abort(error as Error)
    }
  }

  async function session(peer: PeerId, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted()
    const connection = libp2p.getConnections(peer).find(({ status }) => status === 'open')
    if (connection === undefined) throw new Error('not connected')
    const stream = await connection.newStream(protocol, { signal, runOnLimitedConnection: true })
    const messages = createMessageStream(stream, MAX_SYNC_RESPONSE_BYTES)
    const ask: Ask = (type, request) =>
      withTimeout(clock, SYNC_ANSWER_TIMEOUT_MS, signal, async (signal) => {
        await messages.write(encodeRequest({ type, ...request } as unknown as SyncRequest), {
          signal,
        })
        const bytes = await messages.read({ signal })
        if (bytes === undefined) throw new Error('the peer closed the stream')
        return decodeResponse(type, bytes)
      })
    let added = 0
    try {
      for await (const batch of pull(ask, { records, index, judge, now: clock.now, postponed })) {
        added += batch.length
        onRecords?.(batch, peer)
      }
      await stream.close({ signal })
    } catch (error) {
      stream.abort(error as Error)
      throw error
    }
    await peerEnds(stream, messages, signal)
    return added
  }

  /** A stream of which the peer has not closed its half yet still counts as open for the next. */
  async function peerEnds(stream: Stream, messages: MessageStream, signal: AbortSignal) {
    try {
      const rest = await withTimeout(clock, SYNC_ANSWER_TIMEOUT_MS, signal, (signal) =>
        messages.read({ signal }),
      )
      if (rest !== undefined) throw new Error('the peer sent what was not asked for')
    } catch (error) {
      stream.abort(error as Error)
    }
  }

  function pullFrom(peer: PeerId): Promise<number> {
    return sessions.run(peer.toString(), () => boundedSession(peer))
  }

  async function boundedSession(peer: PeerId): Promise<number> {
    try {
      return await withTimeout(clock, SYNC_SESSION_TIMEOUT_MS, stopping.signal, (signal) =>
        session(peer, signal),
      )
    } catch (cause) {
      if (cause instanceof NetworkError) throw cause
      throw new NetworkError('E_SYNC_FAILED', `sync with ${peer.toString()} ended early`, {
        actual: (cause as Error).message,
        cause,
      })
    }
  }

  /** Starts as many of the waiting sessions as may run; one peer has one at a time. */
  function startWaiting(): void {
    for (const [key, peer] of waiting) {
      if (running.size >= MAX_SYNC_SESSIONS || stopping.signal.aborted) return
      if (running.has(key)) continue
      waiting.delete(key)
      const done = pullFrom(peer)
        .catch((error: Error) => onFailure?.(error, peer))
        .then(() => {
          running.delete(key)
          startWaiting()
        })
      running.set(key, done)
    }
  }

  function schedule(): void {
    cancelTimer = clock.after(intervalMs, () => {
      for (const [key, peer] of peers) waiting.set(key, peer)
      startWaiting()
      schedule()
    })
  }

  return {
    async start() {
      stopping = new AbortController()
      await libp2p.handle(protocol, serve, {
        maxInboundStreams: MAX_SYNC_STREAMS,
        maxOutboundStreams: MAX_SYNC_STREAMS,
        runOnLimitedConnection: true,
      })
      topology = await libp2p.register(protocol, {
        notifyOnLimitedConnection: true,
        onConnect(peer) {
          peers.set(peer.toString(), peer)
          waiting.set(peer.toString(), peer)
          startWaiting()
        },
        onDisconnect(peer) {
          peers.delete(peer.toString())
          waiting.delete(peer.toString())
        },
      })
      schedule()
    },

    async stop() {
      cancelTimer?.()
      if (topology === undefined) return
      libp2p.unregister(topology)
      topology = undefined
      await libp2p.unhandle(protocol)
      stopping.abort(new Error('the node stops'))
      await Promise.all([...running.values(), sessions.idle()])
      peers.clear()
      waiting.clear()
    },

    pullFrom,
  }
}
