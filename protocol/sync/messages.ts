import { concat } from 'uint8arrays/concat'
import { z } from 'zod'
import { decodeCanonical, encodeCanonical, MalformedError } from '../../src/index.ts'
import { bytesOfLength, byteString } from '../formats/fields.ts'
import { MAX_SYNC_IDS, MAX_SYNC_WANTS } from '../limits.ts'
import { BUCKET_DIGESTS_BYTES, BUCKETS, DIGEST_BYTES, ID_BYTES } from './reconcile.ts'

/**
 * What travels on a stream of `/deltaswarm/…/sync/0`: the opener asks, the other side answers each
 * request with one response of the same type, in order. Every message is canonical dag-cbor behind
 * its length as four bytes, big endian.
 */
const request = z.discriminatedUnion('type', [
  /** Does your set have this digest? */
  z.strictObject({ type: z.literal('compare'), digest: bytesOfLength(DIGEST_BYTES) }),
  /** Which ids do you have in these buckets (one byte each), from the first above `after`? */
  z.strictObject({
    type: z.literal('list'),
    buckets: byteString.refine((buckets) => buckets.length <= BUCKETS),
    after: bytesOfLength(ID_BYTES).exactOptional(),
  }),
  /** Send me these records. */
  z.strictObject({ type: z.literal('fetch'), ids: ids(MAX_SYNC_WANTS) }),
])

const response = z.discriminatedUnion('type', [
  /** Without digests: yes, the sets are equal. */
  z.strictObject({
    type: z.literal('compare'),
    buckets: bytesOfLength(BUCKET_DIGESTS_BYTES).exactOptional(),
  }),
  /** Ascending; `more`: there are ids above the last. */
  z.strictObject({ type: z.literal('list'), ids: ids(MAX_SYNC_IDS), more: z.boolean() }),
  /**
   * As many of the records as fit; those that are missing are not here or may be asked for again.
   */
  z.strictObject({
    type: z.literal('fetch'),
    records: z.array(byteString).max(MAX_SYNC_WANTS),
  }),
])

export type SyncRequest = z.infer<typeof request>
export type SyncResponse = z.infer<typeof response>
export type SyncType = SyncRequest['type']

export function encodeRequest(message: SyncRequest): Uint8Array {
  return encodeCanonical(z.encode(request, message))
}

export function encodeResponse(message: SyncResponse): Uint8Array {
  return encodeCanonical(z.encode(response, message))
}

/** Throws `MalformedError` `E_NOT_CANONICAL` or `E_BAD_SYNC_MESSAGE`. */
export function decodeRequest(bytes: Uint8Array): SyncRequest {
  return decode(request, bytes)
}

/** Throws as `decodeRequest` does, also when the response is not of the type that was asked for. */
export function decodeResponse<T extends SyncType>(
  type: T,
  bytes: Uint8Array,
): Extract<SyncResponse, { type: T }> {
  const message = decode(response, bytes)
  if (message.type === type) return message as Extract<SyncResponse, { type: T }>
  throw badMessage(`asked for ${type}, got ${message.type}`)
}

function decode<S extends z.ZodType>(schema: S, bytes: Uint8Array): z.output<S> {
  const result = schema.safeDecode(decodeCanonical(bytes) as z.input<S>)
  if (result.success) return result.data
  throw badMessage(result.error.issues[0]?.message ?? 'unknown')
}

function badMessage(problem: string): MalformedError {
  return new MalformedError('E_BAD_SYNC_MESSAGE', `not a message of the sync protocol: ${problem}`)
}

/** Ids are packed: 10,000 separate byte strings would take 20 KB more and a decoder's time. */
function ids(max: number) {
  return z.codec(
    z.custom<Uint8Array>(
      (value) =>
        value instanceof Uint8Array &&
        value.length % ID_BYTES === 0 &&
        value.length <= max * ID_BYTES,
      `expected at most ${max} packed ids`,
    ),
    z.array(byteString),
    {
      decode: (packed) =>
        Array.from({ length: packed.length / ID_BYTES }, (_, i) =>
          packed.subarray(i * ID_BYTES, (i + 1) * ID_BYTES),
        ),
      encode: (list) => concat(list),
    },
  )
}
