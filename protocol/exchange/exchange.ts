import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import {
  type CID,
  type DeltaswarmError,
  MalformedError,
  NetworkError,
  NotAllowedError,
} from '../../src/index.ts'
import { createBans } from './bans.ts'
import type { Blockstore } from '../block.ts'
import { createBuffers } from './buffers.ts'
import { type Channel, createChannel } from './channel.ts'
import { type Clock, withTimeout } from '../clock.ts'
import { createBudget } from './credit.ts'
import { type FetchOptions, type FetchReport, runFetch } from './fetch.ts'
import {
  HAVE_TIMEOUT_MS,
  MAX_BYTES_IN_FLIGHT,
  MAX_OPEN_ROOTS,
  OPEN_STREAM_TIMEOUT_MS,
} from '../limits.ts'
import { serveBlocks } from './server.ts'
import { blockHandlerOptions, BLOCKS_PROTOCOL } from './streams.ts'
import { createTurns } from './turns.ts'
import { isSet, type LinksOf } from './walk.ts'

export interface ExchangeComponents {
  readonly libp2p: Pick<Libp2p, 'handle' | 'unhandle' | 'dialProtocol' | 'getConnections'>
  readonly blockstore: Blockstore
  readonly links: LinksOf
  readonly clock: Clock
}

export interface ExchangeInit {
  /** Blocks that are read from the store at a time, for all peers together. @default 4 */
  readonly readsAtOnce?: number
}

export const exchangeDefaults = { readsAtOnce: 4 } as const satisfies Required<ExchangeInit>

export interface HaveReport {
  /** Blocks of the DAG that the peer knows of, and those of them that it holds. */
  readonly known: number
  readonly held: number
  readonly complete: boolean
}

export interface PeerCounters {
  readonly bytesIn: number
  readonly bytesOut: number
}

/** The block exchange of one node: serves what its store holds, fetches what it lacks. */
export interface Exchange extends AsyncDisposable {
  start(): Promise<void>
  /** Stops serving and resets all streams; running fetches reject. May be called twice. */
  stop(): Promise<void>
  /**
   * Brings the DAG under `root` into the store, from `providers` as far as it is not there yet.
   * Rejects with what `admit` throws, with `NotFoundError` (`E_NO_PROVIDER`, `E_BLOCK_NOT_FOUND`),
   * `NetworkError` `E_STALLED`, `VerificationError` `E_BLOCK_HASH` when no honest provider is left,
   * `MalformedError` or `LimitError` for a DAG that is not as its nodes say. What came is kept.
   */
  fetch(
    root: CID,
    options: FetchOptions & { readonly providers: readonly PeerId[] },
  ): Promise<FetchReport>
  /**
   * Asks a peer how much of a DAG it holds. Rejects with `NetworkError` when it does not answer.
   */
  have(peer: PeerId, root: CID, options?: { readonly signal?: AbortSignal }): Promise<HaveReport>
  /** Block bytes exchanged with each peer since the start. */
  readonly counters: ReadonlyMap<string, PeerCounters>
  isBanned(peer: PeerId): boolean
}

/** Peers whose counters are kept. */
const MAX_COUNTERS = 1024

export function createExchange(components: ExchangeComponents, init: ExchangeInit = {}): Exchange {
  const { libp2p, blockstore, links, clock } = components
  const { readsAtOnce } = { ...exchangeDefaults, ...init }
  const bans = createBans(clock)
  const budget = createBudget(MAX_BYTES_IN_FLIGHT)
  const buffers = createBuffers()
  const reads = createTurns(readsAtOnce)
  const fetches = createTurns(MAX_OPEN_ROOTS)
  const channels = new Map<string, Promise<Channel>>()
  const served = new Set<Stream>()
  const counters = new Map<string, { bytesIn: number; bytesOut: number }>()
  let running: AbortController | undefined
  let lastId = 0

  async function serve(stream: Stream, { remotePeer }: Connection): Promise<void> {
    const peer = remotePeer.toString()
    if (bans.has(peer)) return stream.abort(banned(peer))
    if (stream.status !== 'open') return
    served.add(stream)
    try {
      await serveBlocks(stream, { blockstore, links, clock, turns: reads }, (bytes) => {
        count(peer, 'bytesOut', bytes)
      })
    } catch (error) {
      if (isOffence(error)) ban(remotePeer, error)
    } finally {
      served.delete(stream)
    }
  }

  function open(peerId: PeerId): Promise<Channel> {
    const peer = peerId.toString()
    if (bans.has(peer)) return Promise.reject(banned(peer))
    const known = channels.get(peer)
    if (known !== undefined) return known
    const channel = dial(peerId)
    channels.set(peer, channel)
    channel.catch(() => channels.delete(peer))
    return channel
  }

  async function dial(peerId: PeerId): Promise<Channel> {
    const peer = peerId.toString()
    const stream = await withTimeout(clock, OPEN_STREAM_TIMEOUT_MS, running?.signal, (signal) =>
      libp2p.dialProtocol(peerId, BLOCKS_PROTOCOL, { signal }),
    ).catch((cause: unknown) => {
      throw new NetworkError('E_UNREACHABLE', `no stream to ${peer} could be opened`, { cause })
    })
    return createChannel(stream, peer, buffers, (error) => {
      channels.delete(peer)
      if (isOffence(error)) ban(peerId, error)
    })
  }

  function ban(peerId: PeerId, error: DeltaswarmError): void {
    const peer = peerId.toString()
    bans.add(peer, libp2p.getConnections(peerId))
    void channels.get(peer)?.then((channel) => channel.abort(error))
    channels.delete(peer)
  }

  function count(peer: string, way: keyof PeerCounters, bytes: number): void {
    const counter = counters.get(peer) ?? { bytesIn: 0, bytesOut: 0 }
    counter[way] += bytes
    counters.set(peer, counter)
    if (counters.size > MAX_COUNTERS) counters.delete(counters.keys().next().value!)
  }

  const exchange: Exchange = {
    async start() {
      if (running !== undefined) return
      running = new AbortController()
      await libp2p.handle(BLOCKS_PROTOCOL, serve, blockHandlerOptions)
    },
    async stop() {
      if (running === undefined) return
      const stopped = new NetworkError('E_STOPPED', 'the exchange was stopped')
      running.abort(stopped)
      running = undefined
      await libp2p.unhandle(BLOCKS_PROTOCOL)
      for (const stream of served) stream.abort(stopped)
      const open = await Promise.allSettled(channels.values())
      for (const result of open) if (result.status === 'fulfilled') result.value.abort(stopped)
    },
    [Symbol.asyncDispose]: () => exchange.stop(),
    async fetch(root, { providers, signal, ...options }) {
      const stop = started(running).signal
      const peers = new Map(providers.map((peerId) => [peerId.toString(), peerId]))
      return fetches.run(() =>
        runFetch(
          root,
          [...peers.keys()],
          {
            blockstore,
            links,
            clock,
            budget,
            buffers,
            nextId: () => (lastId = (lastId + 1) % 2 ** 32),
            open: (peer) => open(peers.get(peer)!),
            ban: (peer, error) => ban(peers.get(peer)!, error),
            onReceived: (peer, bytes) => count(peer, 'bytesIn', bytes),
          },
          { ...options, signal: signal === undefined ? stop : AbortSignal.any([stop, signal]) },
        ),
      )
    },
    have(peerId, root, { signal } = {}) {
      started(running)
      return withTimeout(clock, HAVE_TIMEOUT_MS, signal, async (signal) => {
        const channel = await orAbort(open(peerId), signal)
        const { count, bits } = await orAbort(channel.have(root), signal)
        let held = 0
        for (let i = 0; i < count; i++) if (isSet(bits, i)) held += 1
        return { known: count, held, complete: count > 0 && held === count }
      })
    },
    counters,
    isBanned: (peerId) => bans.has(peerId.toString()),
  }
  return exchange
}

/** Only what an honest peer never does; a stream that breaks is no offence. */
function isOffence(error: unknown): error is DeltaswarmError {
  return error instanceof MalformedError || error instanceof NotAllowedError
}

function banned(peer: string): NotAllowedError {
  return new NotAllowedError('E_BANNED', `${peer} sent what is wrong and is left alone for a while`)
}

function started(running: AbortController | undefined): AbortController {
  if (running !== undefined) return running
  throw new NetworkError('E_STOPPED', 'the exchange is not running', { fix: 'call start() first' })
}

/** Leaves a shared promise alone when its caller gives up. */
function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      const cause: unknown = signal.reason
      reject(new NetworkError('E_NO_ANSWER', 'the peer did not answer', { cause }))
    }
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
