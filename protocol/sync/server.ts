import { cidOfDigest, DAG_CBOR } from '../../src/index.ts'
import { MAX_SYNC_IDS, MAX_SYNC_RESPONSE_BYTES } from '../limits.ts'
import { equals } from 'uint8arrays/equals'
import type { IdIndex } from './reconcile.ts'
import type { RecordSet } from '../record-set.ts'
import type { SyncRequest, SyncResponse } from './messages.ts'

/** Answers one request from the set as it is now; keeps nothing between requests. */
export async function answer(
  request: SyncRequest,
  index: IdIndex,
  records: RecordSet,
): Promise<SyncResponse> {
  switch (request.type) {
    case 'compare':
      return equals(request.digest, index.digest())
        ? { type: 'compare' }
        : { type: 'compare', buckets: index.bucketDigests() }
    case 'list': {
      const ids = index.list([...request.buckets], request.after, MAX_SYNC_IDS + 1)
      return { type: 'list', ids: ids.slice(0, MAX_SYNC_IDS), more: ids.length > MAX_SYNC_IDS }
    }
    case 'fetch':
      return { type: 'fetch', records: await thatFit(request.ids, records) }
  }
}

/** The first of the named records that are here, up to the size of one response. */
async function thatFit(ids: readonly Uint8Array[], records: RecordSet): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  let bytes = RESPONSE_OVERHEAD_BYTES
  for (const id of ids) {
    const record = await records.get(cidOfDigest(id, DAG_CBOR))
    if (record === undefined) continue
    bytes += record.length + LENGTH_BYTES
    if (bytes > MAX_SYNC_RESPONSE_BYTES) break
    found.push(record)
  }
  return found
}

/** dag-cbor heads: the map with its keys, and one byte string. */
const RESPONSE_OVERHEAD_BYTES = 64
const LENGTH_BYTES = 5
