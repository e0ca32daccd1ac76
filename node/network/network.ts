import { noise } from '@chainsafe/libp2p-noise'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Ed25519PrivateKey, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import {
  type Clock,
  createExchange,
  createGossip,
  createSync,
  type FetchReport,
  gossipsubOptions,
  judge,
  linksOf,
  peerIdOf,
  type SealedRecord,
  type Verdict,
  yamuxOptions,
} from '../../protocol/index.ts'
import { type CID, EnvironmentError, InvalidInputError, NetworkError } from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { Store } from '../storage/store.ts'
import { connectionLimits, createPendingGate } from './connections.ts'
import { createNetworkTime } from './network-time.ts'
import { keepDialling } from './redial.ts'
import { createRefusals, type Refused } from './refusals.ts'

/**
 * A node's connections: it serves its blocks, fetches, gossips records and keeps the sets equal.
 */
export interface Network extends AsyncDisposable {
  addresses(): readonly string[]
  peers(): readonly PeerView[]
  readonly bytesIn: number
  readonly bytesOut: number
  dial(address: string, options: Pick<JobOptions, 'signal'>): Promise<void>
  /**
   * Resolves when every connected peer has been asked for its records once, whether it answered or
   * not.
   */
  settled(options: Pick<JobOptions, 'signal'>): Promise<void>
  /** Fetches what is missing under a root, asking the peers named in `prefer` first. */
  fetch(
    root: CID,
    options: JobOptions & { readonly prefer?: readonly string[] },
  ): Promise<FetchReport>
  /** Passes on records that are in the set already. */
  publish(records: readonly SealedRecord[]): Promise<void>
  /** Records that wait because their clock runs ahead of ours. */
  heldBack(): readonly HeldBack[]
  /** Peers that sent records which they had to know are wrong, with the last reason. */
  refused(): readonly Refused[]
  stop(): Promise<void>
}

export interface PeerView {
  readonly peer: string
  readonly address: string
  readonly bytesIn: number
  readonly bytesOut: number
  readonly state: 'connected' | 'banned'
}

export interface HeldBack {
  readonly id: string
  readonly author: string
  /** By its author's clock, RFC 3339. */
  readonly at: string
}

/** Records from the future that are named; more are held back without being listed. */
const MAX_HELD_BACK = 100

/** The last moment that a `Date` can say; a record may claim a later one. */
const LAST_DATE_MS = 8.64e15

export const wallClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}

export async function startNetwork(
  components: { readonly key: Ed25519PrivateKey; readonly store: Store; readonly clock?: Clock },
  init: {
    readonly networkId: Uint8Array
    readonly listen: readonly string[]
    readonly peers: readonly string[]
  },
): Promise<Network> {
  const { key, store, clock = wallClock } = components
  const { networkId } = init
  // A wrong address is said at once: afterwards dialling only goes on and on.
  for (const address of [...init.listen, ...init.peers]) parseAddress(address)
  const libp2p = await createLibp2p({
    privateKey: key,
    addresses: { listen: [...init.listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux(yamuxOptions)],
    connectionManager: connectionLimits,
    connectionGater: createPendingGate(),
    nodeInfo: { userAgent: 'deltaswarm' },
    services: {
      identify: identify(),
      ping: ping(),
      pubsub: gossipsub(gossipsubOptions(networkId)),
    },
    start: false,
  })
  const time = createNetworkTime(clock)
  const heldBack = new Map<string, HeldBack>()
  const judgeRecord = (bytes: Uint8Array): Verdict => {
    const has = (id: CID): boolean => store.records.has(id)
    const verdict = judge(bytes, { now: time.now(), networkId, has })
    if (!('sealed' in verdict)) return verdict
    const { author, at } = verdict.sealed.record
    const [id, peer] = [verdict.id.toString(), peerIdOf(author)]
    time.hear(peer, at)
    if (verdict.verdict === 'accept') heldBack.delete(id)
    else if (heldBack.size < MAX_HELD_BACK) {
      heldBack.set(id, { id, author: peer, at: new Date(Math.min(at, LAST_DATE_MS)).toISOString() })
    }
    return verdict
  }
  const shared = { records: store.records, judge: judgeRecord }
  const refusals = createRefusals()
  const gossip = createGossip(
    { pubsub: libp2p.services.pubsub, ...shared },
    { networkId, onRefused: refusals.ofGossip },
  )
  const sync = createSync(
    { libp2p, clock: { ...clock, now: time.now }, ...shared },
    { networkId, onFailure: refusals.ofSync },
  )
  const exchange = createExchange({
    libp2p,
    blockstore: store.blocks,
    links: (cid, bytes) => linksOf(bytes, cid).links,
    clock,
  })

  try {
    await exchange.start()
    await sync.start()
    await libp2p.start()
  } catch (cause) {
    await exchange.stop()
    await sync.stop()
    await libp2p.stop()
    throw startError(cause, init.listen)
  }
  gossip.start()
  const redial = keepDialling(init.peers, { dial: (address) => dialAddress(address), clock })

  async function dialAddress(address: string, signal?: AbortSignal): Promise<void> {
    const parsed = parseAddress(address)
    await libp2p.dial(parsed, signal === undefined ? {} : { signal }).catch((cause: unknown) => {
      if (signal?.aborted === true) throw cause
      throw new NetworkError('E_DIAL', `${address} cannot be reached`, {
        expected: 'a node that listens there',
        actual: (cause as Error).message,
        fix: 'check the address that deltaswarm status shows on the other machine',
        cause,
      })
    })
  }

  const stop = async (): Promise<void> => {
    redial.stop()
    gossip.stop()
    await exchange.stop()
    await sync.stop()
    await libp2p.stop()
  }

  return {
    addresses: () => libp2p.getMultiaddrs().map(String),
    peers: () =>
      libp2p.getPeers().map((id) => {
        const peer = id.toString()
        const counted = exchange.counters.get(peer)
        return {
          peer,
          address: libp2p.getConnections(id)[0]?.remoteAddr.toString() ?? '',
          bytesIn: counted?.bytesIn ?? 0,
          bytesOut: counted?.bytesOut ?? 0,
          state: exchange.isBanned(id) ? 'banned' : 'connected',
        }
      }),
    get bytesIn() {
      return sum([...exchange.counters.values()].map(({ bytesIn }) => bytesIn))
    },
    get bytesOut() {
      return sum([...exchange.counters.values()].map(({ bytesOut }) => bytesOut))
    },
    dial: (address, { signal }) => dialAddress(address, signal),
    async settled({ signal }) {
      const pulled = redial.firstRound.then(() =>
        Promise.allSettled(libp2p.getPeers().map((peer) => sync.pullFrom(peer))),
      )
      await Promise.race([pulled, cancelled(signal)])
    },
    fetch(root, { prefer = [], signal, onProgress }) {
      const providers = orderPeers(libp2p.getPeers(), prefer)
      if (providers.length === 0) {
        throw new NetworkError('E_NO_PEERS', 'this node is connected to nobody', {
          expected: 'a peer that has it',
          actual: 'no connection',
          fix: 'deltaswarm up --peer ADDR, or deltaswarm fetch --peer ADDR',
        })
      }
      return exchange.fetch(root, {
        providers,
        signal,
        onProgress: ({ known, held, stalled }) =>
          onProgress({
            phase: 'fetching',
            done: held,
            total: known,
            ...(stalled === undefined ? {} : { detail: stalled }),
          }),
      })
    },
    publish: (records) => gossip.publish(records),
    heldBack: () => [...heldBack.values()],
    refused: refusals.list,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function parseAddress(address: string): Multiaddr {
  try {
    return multiaddr(address)
  } catch (cause) {
    throw new InvalidInputError('E_ADDRESS', `'${address}' is not a multiaddr`, {
      expected: 'such as /ip4/192.0.2.7/tcp/4100/p2p/12D3KooW…',
      actual: address,
      fix: 'copy an address that deltaswarm status shows',
      cause,
    })
  }
}

/** Rejects when the job is cancelled; what it waits for goes on for others. */
function cancelled(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const cancel = (): void => reject(signal.reason as Error)
    if (signal.aborted) cancel()
    else signal.addEventListener('abort', cancel, { once: true })
  })
}

function orderPeers(connected: readonly PeerId[], prefer: readonly string[]): PeerId[] {
  const ids = new Set(connected.map(String))
  const first = prefer.filter((peer) => ids.has(peer)).map((peer) => peerIdFromString(peer))
  return [...first, ...connected.filter((peer) => !prefer.includes(peer.toString()))]
}

function startError(cause: unknown, listen: readonly string[]): Error {
  const { code, message } = cause as NodeJS.ErrnoException
  const text = `${message} ${((cause as Error).cause as Error | undefined)?.message ?? ''} ${errorsOf(cause)}`
  if (code === 'EADDRINUSE' || text.includes('EADDRINUSE')) {
    return new EnvironmentError('E_PORT_IN_USE', 'the port is in use', {
      expected: 'a free port',
      actual: listen.join(', '),
      fix: 'stop the program that listens there, or choose another with --listen',
      cause,
    })
  }
  return new EnvironmentError('E_LISTEN', 'the node cannot listen', {
    expected: listen.join(', '),
    actual: /\bE[A-Z]+: [^\n]+/.exec(text)?.[0] ?? message.split('\n')[0],
    fix: 'choose an address of this machine with --listen',
    cause,
  })
}

function errorsOf(cause: unknown): string {
  const { errors } = cause as { errors?: unknown }
  return Array.isArray(errors) ? errors.map(String).join(' ') : ''
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
