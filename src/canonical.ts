import { createHash } from 'node:crypto'
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { MalformedError } from './errors.ts'

/**
 * The one binary form of everything that is hashed or signed: dag-cbor, of which the library
 * accepts some non-canonical spellings (unsorted keys, short floats). `decodeCanonical` therefore
 * encodes again and compares, so that one value has exactly one sequence of bytes.
 */

export const DAG_CBOR = 0x71
export const RAW = 0x55
const SHA2_256 = 0x12

/**
 * Nesting that no format of ours reaches (a recipe, the deepest, 33); deeper input is not decoded.
 */
const MAX_DEPTH = 40

export type { CID }

export function encodeCanonical(value: unknown): Uint8Array {
  return dagCbor.encode(value)
}

/** Throws `MalformedError` `E_NOT_CANONICAL` on anything but the canonical form of one value. */
export function decodeCanonical(bytes: Uint8Array): unknown {
  let value: unknown
  try {
    checkDepth(bytes)
    value = dagCbor.decode(bytes)
  } catch (cause) {
    throw notCanonical(`not dag-cbor: ${(cause as Error).message}`, cause)
  }
  const again = dagCbor.encode(value)
  if (Buffer.compare(again, bytes) !== 0) {
    throw notCanonical('dag-cbor in a non-canonical spelling')
  }
  return value
}

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/** CIDv1 with sha2-256 of `bytes`, which are raw (a leaf) or dag-cbor (everything else). */
export function cidOf(bytes: Uint8Array, codec: typeof RAW | typeof DAG_CBOR = DAG_CBOR): CID {
  return cidOfDigest(sha256(bytes), codec)
}

export function cidOfDigest(digest: Uint8Array, codec: typeof RAW | typeof DAG_CBOR): CID {
  return CID.createV1(codec, createDigest(SHA2_256, digest))
}

/** The CID of a value's canonical bytes. */
export function cidOfValue(value: unknown): CID {
  return cidOf(encodeCanonical(value))
}

/** Throws `MalformedError` `E_BAD_CID` on anything but a CIDv1, sha2-256, raw or dag-cbor. */
export function parseCid(text: string): CID {
  let cid: CID
  try {
    cid = CID.parse(text)
  } catch (cause) {
    throw new MalformedError('E_BAD_CID', `'${text.slice(0, 80)}' is not a CID`, {
      expected: 'a CIDv1 such as bafyrei…',
      actual: text.slice(0, 80),
      cause,
    })
  }
  checkCid(cid)
  return cid
}

/** The value as a CID of our kind, or `undefined` when it is something else. */
export function asCid(value: unknown): CID | undefined {
  const cid = CID.asCID(value)
  return cid !== null && isOurs(cid) ? cid : undefined
}

export function checkCid(cid: CID): void {
  if (isOurs(cid)) return
  throw new MalformedError('E_BAD_CID', `${cid.toString()} is of a kind that is not used here`, {
    expected: 'CIDv1, sha2-256, raw or dag-cbor',
    actual: `version ${cid.version}, hash 0x${cid.multihash.code.toString(16)}, codec 0x${cid.code.toString(16)}`,
  })
}

/** The 8 characters after the constant prefix `bafyrei` or `bafkrei`: what people see. */
export function shortId(cid: CID | string): string {
  return cid.toString().slice(7, 15)
}

function isOurs(cid: CID): boolean {
  return (
    cid.version === 1 &&
    cid.multihash.code === SHA2_256 &&
    cid.multihash.digest.length === 32 &&
    (cid.code === RAW || cid.code === DAG_CBOR)
  )
}

function notCanonical(message: string, cause?: unknown): MalformedError {
  return new MalformedError('E_NOT_CANONICAL', message, {
    expected: 'canonical dag-cbor',
    actual: message,
    cause,
  })
}

/**
 * Walks the heads of CBOR items without building anything, so that a few bytes cannot nest the
 * decoder into a stack overflow.
 */
function checkDepth(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const open: number[] = []
  let at = 0
  while (at < bytes.length) {
    const head = view.getUint8(at)
    const major = head >> 5
    const info = head & 31
    let size = 1
    let argument = info
    if (info === 24) [size, argument] = [2, view.getUint8(at + 1)]
    else if (info === 25) [size, argument] = [3, view.getUint16(at + 1)]
    else if (info === 26) [size, argument] = [5, view.getUint32(at + 1)]
    else if (info === 27) [size, argument] = [9, Number(view.getBigUint64(at + 1))]
    else if (info > 27) throw new Error('indefinite length')
    at += size
    if (major === 2 || major === 3) at += argument
    else if (major === 4 && argument > 0) open.push(argument)
    else if (major === 5 && argument > 0) open.push(argument * 2)
    else if (major === 6) open.push(1)
    if (open.length > MAX_DEPTH) throw new Error(`nested deeper than ${MAX_DEPTH}`)
    if (major === 6 || ((major === 4 || major === 5) && argument > 0)) continue
    while (open.length > 0 && --open[open.length - 1]! === 0) open.pop()
  }
}
