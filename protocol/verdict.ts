import { type CID, cidOf, DeltaswarmError } from '../src/index.ts'
import { formatOf } from './formats/index.ts'
import { decodeRecord, type SealedRecord } from './formats/record.ts'
import { MAX_CLOCK_AHEAD_MS, MAX_RECORD_BYTES } from './limits.ts'

/**
 * Judges a record from a peer; pure, so that gossip, sync and tests decide alike.
 *
 * - `accept`: it is valid and new.
 * - `ignore`: nothing is wrong that the sender could have seen. It is known already, of a type or
 *   version that only newer software reads, or ahead of our clock.
 * - `reject`: the sender could have checked what is wrong and passed it on regardless.
 */
export type Verdict =
  | { readonly verdict: 'accept'; readonly id: CID; readonly sealed: SealedRecord }
  | { readonly verdict: 'ignore'; readonly id: CID; readonly reason: 'known' | 'unknown-format' }
  /** Held back until our clock reads `until`, so that a wrong clock changes no ranking. */
  | {
      readonly verdict: 'ignore'
      readonly id: CID
      readonly reason: 'future'
      readonly until: number
      readonly sealed: SealedRecord
    }
  /** Our own fault: a bug here must cost no peer its standing. */
  | {
      readonly verdict: 'ignore'
      readonly id: CID
      readonly reason: 'unexpected'
      readonly error: unknown
    }
  | {
      readonly verdict: 'reject'
      readonly id: CID
      readonly reason: 'oversize' | 'malformed' | 'signature'
      readonly error: DeltaswarmError
    }

export interface Known {
  /** Milliseconds since 1970. */
  readonly now: number
  readonly networkId: Uint8Array
  has(id: CID): boolean
}

export function judge(bytes: Uint8Array, known: Known): Verdict {
  const id = cidOf(bytes)
  try {
    if (known.has(id)) return { verdict: 'ignore', id, reason: 'known' }
    const decoded = decodeRecord(bytes)
    const format = formatOf(decoded)
    if (format === undefined) return { verdict: 'ignore', id, reason: 'unknown-format' }
    const sealed = format.open(bytes, known.networkId, decoded)
    const until = sealed.record.at - MAX_CLOCK_AHEAD_MS
    if (until > known.now) return { verdict: 'ignore', id, reason: 'future', until, sealed }
    return { verdict: 'accept', id, sealed }
  } catch (error) {
    if (!(error instanceof DeltaswarmError)) {
      return { verdict: 'ignore', id, reason: 'unexpected', error }
    }
    return { verdict: 'reject', id, reason: reasonOf(bytes, error), error }
  }
}

function reasonOf(
  bytes: Uint8Array,
  error: DeltaswarmError,
): 'oversize' | 'malformed' | 'signature' {
  if (bytes.length > MAX_RECORD_BYTES) return 'oversize'
  return error.id === 'E_BAD_SIGNATURE' ? 'signature' : 'malformed'
}
