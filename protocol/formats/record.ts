import type { Ed25519PrivateKey } from '@libp2p/interface'
import { toString } from 'uint8arrays/to-string'
import { z } from 'zod'
import {
  type CID,
  cidOf,
  decodeCanonical,
  encodeCanonical,
  InvalidInputError,
  LimitError,
  MalformedError,
  VerificationError,
} from '../../src/index.ts'
import { MAX_RECORD_BYTES } from '../limits.ts'
import { isSignatureOf, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, signBytes } from '../signature.ts'
import { bytesOfLength, wholeNumber } from './fields.ts'

/**
 * What all signed records share. The bytes are canonical dag-cbor of
 *
 *     version    whole number, of the type
 *     type       text
 *     author     32 bytes, ed25519 public key
 *     seq        whole number, rises with every record of one author and type; orders them
 *     at         milliseconds since 1970 by the author's clock; shown, never used to order
 *     body       what the type defines
 *     signature  64 bytes over the record without this field, see signature.ts
 *
 * and the record's id is the CID of all of them. Two records of one author, type and seq are proof
 * of equivocation, so both are kept.
 */
export interface SignedRecord<Body = unknown> {
  readonly version: number
  readonly type: string
  readonly author: Uint8Array
  readonly seq: number
  readonly at: number
  readonly body: Body
}

/** A record whose signature holds, with the bytes that travel. */
export interface SealedRecord<Body = unknown> {
  readonly id: CID
  readonly bytes: Uint8Array
  readonly record: SignedRecord<Body>
}

export interface Signing {
  readonly key: Ed25519PrivateKey
  readonly seq: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly networkId: Uint8Array
}

export interface RecordFormat<Body = unknown> {
  readonly type: string
  readonly version: number
  /** Throws `InvalidInputError` `E_RECORD_BODY` or `LimitError` `E_RECORD_SIZE`. */
  sign(body: Body, signing: Signing): SealedRecord<Body>
  /**
   * Limits first, then form, shape and signature. Throws `LimitError` `E_RECORD_SIZE`,
   * `MalformedError` `E_NOT_CANONICAL` or `E_BAD_RECORD`, `VerificationError` `E_BAD_SIGNATURE`.
   * `decoded` spares decoding twice: it must come from `decodeRecord` of the same bytes.
   */
  open(bytes: Uint8Array, networkId: Uint8Array, decoded?: DecodedRecord): SealedRecord<Body>
}

/** A record of whatever type and version, of which nothing but these has been checked. */
export interface DecodedRecord {
  readonly type: string
  readonly version: number
}

/** `body` is a zod schema from the stored form to `Body` and back. */
export function defineRecord<Body>(definition: {
  readonly type: string
  readonly version: number
  readonly body: z.ZodType<Body>
}): RecordFormat<Body> {
  const { type, version, body: schema } = definition
  const shape = z.strictObject({
    version: z.literal(version),
    type: z.literal(type),
    author: bytesOfLength(PUBLIC_KEY_BYTES),
    seq: wholeNumber,
    at: wholeNumber,
    body: schema,
    signature: bytesOfLength(SIGNATURE_BYTES),
  })

  return {
    type,
    version,

    sign(body, { key, seq, at, networkId }) {
      const stored = z.safeEncode(schema, body)
      if (!stored.success) {
        throw new InvalidInputError('E_RECORD_BODY', `not a valid ${type}: ${problem(stored)}`)
      }
      const author = key.publicKey.raw
      const unsigned = { version, type, author, seq, at, body: stored.data }
      const domain = { type, version, networkId }
      const signature = signBytes(key, domain, encodeCanonical(unsigned))
      const bytes = encodeCanonical({ ...unsigned, signature })
      checkSize(bytes)
      return { id: cidOf(bytes), bytes, record: { version, type, author, seq, at, body } }
    },

    open(bytes, networkId, decoded = decodeRecord(bytes)) {
      const parsed = shape.safeDecode(decoded as z.input<typeof shape>)
      if (!parsed.success) {
        throw new MalformedError('E_BAD_RECORD', `not a valid ${type}: ${problem(parsed)}`)
      }
      const { author, seq, at, body, signature } = parsed.data
      const { signature: _, ...unsigned } = decoded as z.input<typeof shape>
      const domain = { type, version, networkId }
      if (!isSignatureOf(author, domain, encodeCanonical(unsigned), signature)) {
        throw new VerificationError(
          'E_BAD_SIGNATURE',
          `the signature of a ${type} does not hold: it was altered or belongs to another network`,
          {
            expected: `a signature by the key ${toString(author, 'hex')}`,
            actual: toString(signature, 'hex'),
            fix: 'nothing was kept of it; get it from its author, in this network',
          },
        )
      }
      return { id: cidOf(bytes), bytes, record: { version, type, author, seq, at, body } }
    },
  }
}

/** Throws `LimitError` `E_RECORD_SIZE`, `MalformedError` `E_NOT_CANONICAL` or `E_BAD_RECORD`. */
export function decodeRecord(bytes: Uint8Array): DecodedRecord {
  checkSize(bytes)
  const value = decodeCanonical(bytes)
  const head = recordHead.safeParse(value)
  if (head.success) return value as DecodedRecord
  throw new MalformedError('E_BAD_RECORD', `not a record: ${problem(head)}`)
}

const recordHead = z.looseObject({ type: z.string(), version: wholeNumber })

function checkSize(bytes: Uint8Array): void {
  if (bytes.length <= MAX_RECORD_BYTES) return
  throw new LimitError('E_RECORD_SIZE', `a record of ${bytes.length} bytes is too large`, {
    expected: `at most ${MAX_RECORD_BYTES} bytes`,
    actual: bytes.length,
  })
}

/** The first thing wrong, on one line: `body.name: expected printable text`. */
function problem(result: { readonly error?: z.core.$ZodError | undefined }): string {
  const issue = result.error?.issues[0]
  return issue === undefined ? 'unknown' : `${issue.path.join('.')}: ${issue.message}`
}
