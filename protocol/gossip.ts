import {
  type GossipSub,
  type GossipsubOpts,
  type Message,
  TopicValidatorResult,
} from '@libp2p/gossipsub'
import { createTopicScoreParams } from '@libp2p/gossipsub/score'
import type { PeerId } from '@libp2p/interface'
import { toString } from 'uint8arrays/to-string'
import {
  decodeCanonical,
  DeltaswarmError,
  encodeCanonical,
  MalformedError,
  sha256,
} from '../src/index.ts'
import { announcement } from './formats/announcement.ts'
import type { SealedRecord } from './formats/record.ts'
import { score } from './formats/score.ts'
import {
  MAX_GOSSIP_BYTES,
  MAX_GOSSIP_FRAME_BYTES,
  MAX_GOSSIP_FRAME_ENTRIES,
  MAX_GOSSIP_QUEUE_BYTES,
  MAX_GOSSIP_RECORDS,
} from './limits.ts'
import type { RecordSet } from './record-set.ts'
import type { Verdict } from './verdict.ts'

/** The topic of each record type. Networks do not mix: the name holds 8 bytes of the network id. */
export function topicsOf(networkId: Uint8Array): ReadonlyMap<string, string> {
  const prefix = `/deltaswarm/${toString(networkId.subarray(0, 8), 'hex')}`
  return new Map([
    [announcement.type, `${prefix}/announcements/1`],
    [score.type, `${prefix}/scores/1`],
  ])
}

export interface GossipComponents {
  readonly pubsub: GossipSub
  readonly records: RecordSet
  readonly judge: (bytes: Uint8Array) => Verdict
}

export interface GossipInit {
  readonly networkId: Uint8Array
  /** Records that gossip brought; they are in the set already. */
  readonly onRecords?: (records: readonly SealedRecord[], peer: PeerId) => void
  /** What was not accepted, and from whom it came: for the log and for the peer's standing. */
  readonly onRefused?: (verdict: BatchVerdict, peer: PeerId) => void
}

/**
 * Spreads records quickly; what it loses, sync brings. Batches are passed on only once they are
 * kept.
 */
export interface Gossip {
  start(): void
  stop(): void
  /** Sends records, which are in the set already, to the peers in batches. */
  publish(records: readonly SealedRecord[]): Promise<void>
}

export function createGossip(components: GossipComponents, init: GossipInit): Gossip {
  const { pubsub, records, judge } = components
  const topics = topicsOf(init.networkId)

  async function validate(type: string, peer: PeerId, { data }: Message) {
    const verdict = judgeBatch(type, data, judge)
    const added = await records.add(verdict.accepted)
    if (added.length > 0) init.onRecords?.(added, peer)
    if (verdict.verdict !== 'accept') init.onRefused?.(verdict, peer)
    return results[verdict.verdict]
  }

  return {
    start() {
      for (const [type, topic] of topics) {
        pubsub.topicValidators.set(topic, (peer, message) => validate(type, peer, message))
        pubsub.subscribe(topic)
      }
    },
    stop() {
      for (const topic of topics.values()) {
        pubsub.unsubscribe(topic)
        pubsub.topicValidators.delete(topic)
      }
    },
    async publish(published) {
      for (const [type, ofType] of Map.groupBy(published, ({ record }) => record.type)) {
        const topic = topics.get(type)
        if (topic === undefined) throw new RangeError(`expected a gossiped type, got '${type}'`)
        for (const batch of batchesOf(ofType)) await pubsub.publish(topic, encodeCanonical(batch))
      }
    },
  }
}

const results = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const

export interface BatchVerdict {
  readonly verdict: Verdict['verdict']
  /**
   * Empty when the batch is rejected: its valid records come again, from whoever vouches for them.
   */
  readonly accepted: readonly SealedRecord[]
  /** Why, record by record; or why the batch as such is none. */
  readonly verdicts: readonly Verdict[]
  readonly error?: DeltaswarmError
}

/**
 * Judges a message: a canonical dag-cbor list of records' bytes. One bad record condemns the batch,
 * since its sender could have seen it; otherwise one new record is enough to pass it on.
 */
export function judgeBatch(
  type: string,
  data: Uint8Array,
  judge: (bytes: Uint8Array) => Verdict,
): BatchVerdict {
  let batch: Uint8Array[]
  try {
    batch = decodeBatch(data)
  } catch (error) {
    if (!(error instanceof DeltaswarmError)) throw error
    return { verdict: 'reject', accepted: [], verdicts: [], error }
  }
  const verdicts = batch.map(judge)
  const accepted = verdicts.flatMap((v) => (v.verdict === 'accept' ? [v.sealed] : []))
  const misplaced = accepted.find(({ record }) => record.type !== type)
  if (misplaced !== undefined) {
    const error = badBatch(`a ${misplaced.record.type} on the topic of type ${type}`)
    return { verdict: 'reject', accepted: [], verdicts, error }
  }
  if (verdicts.some((v) => v.verdict === 'reject')) {
    return { verdict: 'reject', accepted: [], verdicts }
  }
  return { verdict: accepted.length > 0 ? 'accept' : 'ignore', accepted, verdicts }
}

function decodeBatch(data: Uint8Array): Uint8Array[] {
  if (data.length > MAX_GOSSIP_BYTES) throw badBatch(`${data.length} bytes`)
  const batch = decodeCanonical(data)
  if (
    Array.isArray(batch) &&
    batch.length > 0 &&
    batch.length <= MAX_GOSSIP_RECORDS &&
    batch.every((record) => record instanceof Uint8Array)
  ) {
    return batch
  }
  throw badBatch('another value')
}

function badBatch(actual: string): MalformedError {
  return new MalformedError('E_BAD_BATCH', `not a batch of records: ${actual}`, {
    expected: `a list of 1 to ${MAX_GOSSIP_RECORDS} records in at most ${MAX_GOSSIP_BYTES} bytes`,
    actual,
  })
}

/** dag-cbor heads: the list, and one byte string. */
const BATCH_OVERHEAD_BYTES = 5
const RECORD_OVERHEAD_BYTES = 5

function batchesOf(records: readonly SealedRecord[]): Uint8Array[][] {
  const batches: Uint8Array[][] = []
  let room = 0
  for (const { bytes } of records) {
    const needed = bytes.length + RECORD_OVERHEAD_BYTES
    if (needed > room || batches.at(-1)?.length === MAX_GOSSIP_RECORDS) {
      batches.push([])
      room = MAX_GOSSIP_BYTES - BATCH_OVERHEAD_BYTES
    }
    batches.at(-1)!.push(bytes)
    room -= needed
  }
  return batches
}

/** A counter's factor per second that halves it in the given number of minutes. */
function halvedIn(minutes: number): number {
  return 0.5 ** (1 / (60 * minutes))
}

/**
 * How gossipsub is set up for a network. Records carry their own signatures, so messages carry
 * none, and a message is its hash. Anything outside the two topics is refused. A topic is scored
 * only when it has parameters: without these, an invalid message would cost its sender nothing.
 * Quiet honest peers lose nothing (no P3), peers behind one address neither (no P6); three invalid
 * messages cost 180 points and five end the exchange of messages, forgotten by half in 30 minutes.
 */
export function gossipsubOptions(networkId: Uint8Array): Partial<GossipsubOpts> {
  const topics = [...topicsOf(networkId).values()]
  return {
    globalSignaturePolicy: 'StrictNoSign',
    msgIdFn: ({ data }) => sha256(data).subarray(0, 20),
    allowedTopics: topics,
    emitSelf: false,
    doPX: false,
    floodPublish: true,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    // Up to 12 nodes everybody is a neighbour; 2 are enough for a federation of three.
    D: 6,
    Dlo: 2,
    Dhi: 12,
    Dout: 1,
    seenTTL: 10 * 60_000,
    maxInboundDataLength: MAX_GOSSIP_FRAME_BYTES,
    maxOutboundBufferSize: MAX_GOSSIP_QUEUE_BYTES,
    decodeRpcLimits: MAX_GOSSIP_FRAME_ENTRIES,
    scoreParams: {
      topics: Object.fromEntries(topics.map((topic) => [topic, topicScore])),
      appSpecificWeight: 1,
      IPColocationFactorWeight: 0,
      behaviourPenaltyWeight: -10,
      behaviourPenaltyThreshold: 6,
      topicScoreCap: 50,
    },
    scoreThresholds: {
      gossipThreshold: -100,
      publishThreshold: -200,
      graylistThreshold: -400,
      opportunisticGraftThreshold: 2,
    },
  }
}

const topicScore = createTopicScoreParams({
  topicWeight: 1,
  timeInMeshWeight: 0.01,
  timeInMeshQuantum: 1000,
  timeInMeshCap: 300,
  firstMessageDeliveriesWeight: 1,
  firstMessageDeliveriesDecay: halvedIn(10),
  firstMessageDeliveriesCap: 20,
  meshMessageDeliveriesWeight: 0,
  meshFailurePenaltyWeight: 0,
  invalidMessageDeliveriesWeight: -20,
  invalidMessageDeliveriesDecay: halvedIn(30),
})
