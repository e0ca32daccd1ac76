import { crc32 } from 'node:zlib'
import { LimitError } from '../../src/index.ts'

/**
 * How an entry lies in the journal:
 *
 *     magic 4 | length u32 | crc32 u32 of length and payload | payload
 *
 * with little-endian numbers. The magic lets a reader find the next entry after a damaged one, so
 * that a flipped bit costs one entry. Payloads hold bytes that peers chose, hence they are escaped:
 * wherever the first three bytes of the magic occur in one, a fourth follows that is not the
 * magic's, and no payload can pose as entries of its own.
 */

export const MAGIC = Buffer.from([0xd5, 0x1a, 0x4e, 0x01])
const ESCAPED = MAGIC.subarray(0, 3)
const ESCAPE = Buffer.from([0xfe])

/** Bytes before the payload. */
export const HEAD_BYTES = 12

/** Largest payload: a signed record with room to spare. */
export const MAX_PAYLOAD_BYTES = 64 * 1024

/** Every third byte may need an escape. */
const MAX_STORED_BYTES = MAX_PAYLOAD_BYTES + Math.ceil(MAX_PAYLOAD_BYTES / 3)

export const MAX_FRAME_BYTES = HEAD_BYTES + MAX_STORED_BYTES

/** Throws `LimitError` `E_ENTRY_SIZE`. */
export function checkPayload(payload: Uint8Array): void {
  if (payload.length <= MAX_PAYLOAD_BYTES) return
  throw new LimitError('E_ENTRY_SIZE', `an entry of ${payload.length} bytes is too large`, {
    expected: `at most ${MAX_PAYLOAD_BYTES} bytes`,
    actual: payload.length,
  })
}

/** The bytes of an entry; the payload must have passed `checkPayload`. */
export function frame(payload: Uint8Array): Buffer {
  const stored = escaped(payload)
  const head = Buffer.alloc(HEAD_BYTES)
  MAGIC.copy(head)
  head.writeUInt32LE(stored.length, 4)
  head.writeUInt32LE(checksum(head, stored), 8)
  return Buffer.concat([head, stored])
}

/** The valid entry at the start of `bytes`, if there is one; its payload is a copy. */
export function entryIn(
  bytes: Buffer,
): { readonly size: number; readonly payload: Buffer } | undefined {
  const size = frameSize(bytes)
  if (size === undefined || size > bytes.length) return undefined
  const stored = bytes.subarray(HEAD_BYTES, size)
  if (bytes.readUInt32LE(8) !== checksum(bytes, stored)) return undefined
  return { size, payload: unescaped(stored) }
}

/** Bytes of the entry that this head claims, or `undefined` when it is no head. */
export function frameSize(head: Buffer): number | undefined {
  if (head.length < HEAD_BYTES || MAGIC.compare(head, 0, MAGIC.length) !== 0) return undefined
  const size = HEAD_BYTES + head.readUInt32LE(4)
  return size <= MAX_FRAME_BYTES ? size : undefined
}

function checksum(head: Buffer, stored: Buffer): number {
  return crc32(stored, crc32(head.subarray(4, 8)))
}

function escaped(payload: Uint8Array): Buffer {
  const parts: Buffer[] = []
  let rest = Buffer.from(payload.buffer, payload.byteOffset, payload.length)
  for (let at = rest.indexOf(ESCAPED); at >= 0; at = rest.indexOf(ESCAPED)) {
    parts.push(rest.subarray(0, at + ESCAPED.length), ESCAPE)
    rest = rest.subarray(at + ESCAPED.length)
  }
  return Buffer.concat([...parts, rest])
}

/** A copy without the escapes. */
function unescaped(stored: Buffer): Buffer {
  const parts: Buffer[] = []
  let rest = stored
  for (let at = rest.indexOf(ESCAPED); at >= 0; at = rest.indexOf(ESCAPED)) {
    parts.push(rest.subarray(0, at + ESCAPED.length))
    rest = rest.subarray(at + ESCAPED.length + ESCAPE.length)
  }
  return Buffer.concat([...parts, rest])
}
