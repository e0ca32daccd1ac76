import { noise } from '@chainsafe/libp2p-noise'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { PeerId } from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import type { Clock } from '../../protocol/clock.ts'
import type { SealedRecord } from '../../protocol/formats/record.ts'
import { type BatchVerdict, createGossip, gossipsubOptions } from '../../protocol/gossip.ts'
import { createMemoryRecordSet, type RecordSet } from '../../protocol/record-set.ts'
import { publicNetworkId } from '../../protocol/signature.ts'
import { createSync } from '../../protocol/sync/sync.ts'
import { judge } from '../../protocol/verdict.ts'
import { NOW } from './fixtures.ts'

export interface RecordPeerInit {
  readonly records?: RecordSet
  readonly networkId?: Uint8Array
  /** What the peer takes for the time. */
  readonly now?: () => number
  readonly syncIntervalMs?: number
}

export type RecordPeer = Awaited<ReturnType<typeof createRecordPeer>>

let addresses = 0

/** A libp2p node in this process that gossips and syncs records; sync must be started. */
export async function createRecordPeer(init: RecordPeerInit = {}) {
  const { networkId = publicNetworkId, now = () => NOW, syncIntervalMs = 30_000 } = init
  const records = init.records ?? createMemoryRecordSet()
  addresses += 1
  const libp2p = await createLibp2p({
    addresses: { listen: [`/memory/records-${addresses}`] },
    transports: [memory()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), pubsub: gossipsub(gossipsubOptions(networkId)) },
  })
  const clock: Clock = {
    now,
    after(ms, callback) {
      const timer = setTimeout(callback, ms)
      return () => clearTimeout(timer)
    },
  }
  const judgement = (bytes: Uint8Array) =>
    judge(bytes, { now: now(), networkId, has: (id) => records.has(id) })
  const arrived: SealedRecord[] = []
  const refused: BatchVerdict[] = []
  const failures: Error[] = []
  const onRecords = (added: readonly SealedRecord[]): number => arrived.push(...added)
  const gossip = createGossip(
    { pubsub: libp2p.services.pubsub, records, judge: judgement },
    { networkId, onRecords, onRefused: (verdict) => refused.push(verdict) },
  )
  const sync = createSync(
    { libp2p, records, clock, judge: judgement },
    {
      networkId,
      onRecords,
      intervalMs: syncIntervalMs,
      onFailure: (error) => failures.push(error),
    },
  )
  gossip.start()
  return {
    libp2p,
    records,
    gossip,
    sync,
    /** Records that came from peers. */
    arrived,
    refused,
    failures,
    pubsub: libp2p.services.pubsub,
    peerId: libp2p.peerId as PeerId,
    connect: (other: { libp2p: { getMultiaddrs: typeof libp2p.getMultiaddrs } }) =>
      libp2p.dial(other.libp2p.getMultiaddrs()),
    async [Symbol.asyncDispose]() {
      await sync.stop()
      gossip.stop()
      await libp2p.stop()
    },
  }
}

/** How long a test waits for what takes milliseconds on a machine with nothing else to do. */
const PATIENCE_MS = 20_000

/** Waits until `condition` holds; fails in the end with its description. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export function idsOf(records: RecordSet): string[] {
  return [...records.ids()].map(String).toSorted()
}
