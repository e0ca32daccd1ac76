import { pipe } from 'it-pipe'
import { compare } from 'uint8arrays/compare'
import { toString } from 'uint8arrays/to-string'
import {
  type CID,
  cidOfDigest,
  DAG_CBOR,
  MalformedError,
  NetworkError,
  sha256,
} from '../../src/index.ts'
import type { SealedRecord } from '../formats/record.ts'
import { MAX_SYNC_PAGES, MAX_SYNC_POSTPONED, MAX_SYNC_WANTS } from '../limits.ts'
import { differingBuckets, type IdIndex } from './reconcile.ts'
import type { RecordSet } from '../record-set.ts'
import type { SyncRequest, SyncResponse, SyncType } from './messages.ts'
import type { Verdict } from '../verdict.ts'

/** Sends one request and resolves with its response. */
export type Ask = <T extends SyncType>(
  type: T,
  request: Omit<Extract<SyncRequest, { type: T }>, 'type'>,
) => Promise<Extract<SyncResponse, { type: T }>>

export interface SyncClientComponents {
  readonly records: RecordSet
  /** The ids of `records`. */
  readonly index: () => IdIndex
  readonly judge: (bytes: Uint8Array) => Verdict
  readonly now: () => number
  readonly postponed: Postponed
}

/**
 * Fetches what a peer has and we lack; yields the records that are new, already added. The peer
 * does the same with us on a stream of its own. Throws `NetworkError` `E_SYNC_REFUSED` when the
 * peer sends a record that it had to know is wrong: its `details.verdict` says why.
 */
export function pull(
  ask: Ask,
  components: SyncClientComponents,
): AsyncGenerator<readonly SealedRecord[]> {
  const { records, postponed, now } = components
  const isWanted = (id: Uint8Array): boolean =>
    !records.has(recordId(id)) && !postponed.has(id, now())
  return pipe(
    theirIds(ask, components.index),
    (ids) => wantedBatches(ids, isWanted),
    (batches) => fetchAll(ask, batches),
    (received) => takeAll(received, components),
  )
}

/**
 * Ids that are not asked for again before a point in time, such as those of records from the
 * future.
 */
export interface Postponed {
  has(id: Uint8Array, now: number): boolean
  add(id: CID, until: number): void
}

export function createPostponed(): Postponed {
  const until = new Map<string, number>()
  return {
    has: (id, now) => (until.get(keyOf(id)) ?? -Infinity) > now,
    add(id, time) {
      until.set(keyOf(id.multihash.digest), time)
      const oldest = until.keys().next().value!
      if (until.size > MAX_SYNC_POSTPONED) until.delete(oldest)
    },
  }
}

/**
 * A record of an unknown format or beyond an author's share is worth another look after an update.
 */
const LOOK_AGAIN_MS = 60 * 60_000

/** The ids of the buckets that differ; nothing when the sets are equal. */
async function* theirIds(ask: Ask, index: () => IdIndex): AsyncGenerator<Uint8Array> {
  const { buckets: theirs } = await ask('compare', { digest: index().digest() })
  if (theirs === undefined) return
  const buckets = Uint8Array.from(differingBuckets(index().bucketDigests(), theirs))
  let after: Uint8Array | undefined
  for (let more = true, pages = 0; more && pages < MAX_SYNC_PAGES; pages++) {
    const page = await ask('list', { buckets, ...(after !== undefined && { after }) })
    checkAscending(page.ids, after)
    yield* page.ids
    more = page.more && page.ids.length > 0
    after = page.ids.at(-1)
  }
}

/** What makes listings end: each goes on above the last one's end. */
function checkAscending(ids: readonly Uint8Array[], after: Uint8Array | undefined): void {
  let last = after
  for (const id of ids) {
    if (last !== undefined && compare(last, id) >= 0) {
      throw new MalformedError('E_BAD_SYNC_MESSAGE', 'ids are listed out of order')
    }
    last = id
  }
}

async function* wantedBatches(
  ids: AsyncIterable<Uint8Array>,
  isWanted: (id: Uint8Array) => boolean,
): AsyncGenerator<Uint8Array[]> {
  let batch: Uint8Array[] = []
  for await (const id of ids) {
    if (!isWanted(id)) continue
    batch.push(id)
    if (batch.length < MAX_SYNC_WANTS) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

/** Asks again for what did not fit, as long as every answer brings something that was asked for. */
async function* fetchAll(
  ask: Ask,
  batches: AsyncIterable<Uint8Array[]>,
): AsyncGenerator<Uint8Array[]> {
  for await (const batch of batches) {
    const open = new Map(batch.map((id) => [keyOf(id), id]))
    while (open.size > 0) {
      const { records } = await ask('fetch', { ids: [...open.values()] })
      const before = open.size
      yield records
      for (const bytes of records) open.delete(keyOf(sha256(bytes)))
      if (open.size === before) break
    }
  }
}

/** Judges and adds each answer's records together, so that a store can keep them with one sync. */
async function* takeAll(
  answers: AsyncIterable<Uint8Array[]>,
  { records, judge, now, postponed }: SyncClientComponents,
): AsyncGenerator<readonly SealedRecord[]> {
  for await (const answer of answers) {
    const verdicts = answer.map(judge)
    const accepted = verdicts.flatMap((v) => (v.verdict === 'accept' ? [v.sealed] : []))
    const added = await records.add(accepted)
    if (added.length > 0) yield added
    for (const verdict of verdicts) {
      if (verdict.verdict === 'reject') throw refused(verdict)
      if (records.has(verdict.id)) continue
      const later = now() + LOOK_AGAIN_MS
      const until =
        verdict.verdict === 'ignore' && verdict.reason === 'future' ? verdict.until : later
      postponed.add(verdict.id, until)
    }
  }
}

function refused(verdict: Extract<Verdict, { verdict: 'reject' }>): NetworkError {
  return new NetworkError('E_SYNC_REFUSED', `the peer sent a record that is ${verdict.reason}`, {
    details: { verdict },
    cause: verdict.error,
  })
}

function keyOf(digest: Uint8Array): string {
  return toString(digest, 'base64')
}

function recordId(digest: Uint8Array): CID {
  return cidOfDigest(digest, DAG_CBOR)
}
