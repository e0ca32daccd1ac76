import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { concat } from 'uint8arrays/concat'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { sha256 } from '../src/index.ts'

/**
 * Ed25519 (RFC 8032) over
 *
 *     'deltaswarm/' type '/' version NUL ‖ network id (32 bytes) ‖ canonical dag-cbor
 *
 * so that a signature made for one type, version or network means nothing for another. Types hold
 * no NUL and the network id has a fixed length, hence no two messages coincide. The key is the
 * node's own libp2p key: an author is a peer.
 */
export interface SignatureDomain {
  readonly type: string
  readonly version: number
  readonly networkId: Uint8Array
}

export const NETWORK_ID_BYTES = 32
export const PUBLIC_KEY_BYTES = 32
export const SIGNATURE_BYTES = 64

/** The network of everybody who configures none. */
export const publicNetworkId: Uint8Array = sha256(
  fromString('the public network of deltaswarm, open to everybody'),
)

export function signBytes(
  key: Ed25519PrivateKey,
  domain: SignatureDomain,
  canonical: Uint8Array,
): Uint8Array {
  const object = createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'OKP',
      crv: 'Ed25519',
      d: toString(key.raw.subarray(0, 32), 'base64url'),
      x: toString(key.publicKey.raw, 'base64url'),
    },
  })
  return new Uint8Array(sign(null, signedMessage(domain, canonical), object))
}

/** Whether `signature` is `author`'s over the message; never throws on bytes of any kind. */
export function isSignatureOf(
  author: Uint8Array,
  domain: SignatureDomain,
  canonical: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (author.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false
  const key = importKey(author)
  return key !== undefined && verify(null, signedMessage(domain, canonical), key, signature)
}

/** The peer id of a 32-byte ed25519 public key, as `12D3KooW…`. */
export function peerIdOf(author: Uint8Array): string {
  return peerIdFromPublicKey(publicKeyFromRaw(author)).toString()
}

function signedMessage(domain: SignatureDomain, canonical: Uint8Array): Uint8Array {
  const { type, version, networkId } = domain
  if (networkId.length !== NETWORK_ID_BYTES) {
    throw new RangeError(`expected a network id of 32 bytes, got ${networkId.length}`)
  }
  return concat([fromString(`deltaswarm/${type}/${version}\0`), networkId, canonical])
}

/**
 * Importing a key takes half as long as a verification, and a set has far more records than
 * authors.
 */
const importedKeys = new Map<string, KeyObject>()
const MAX_IMPORTED_KEYS = 256

/** `undefined` for bytes that are no point of the curve. */
function importKey(author: Uint8Array): KeyObject | undefined {
  const x = toString(author, 'base64url')
  const known = importedKeys.get(x)
  if (known !== undefined) return known
  let key: KeyObject
  try {
    key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } })
  } catch {
    return undefined
  }
  if (importedKeys.size >= MAX_IMPORTED_KEYS) importedKeys.clear()
  importedKeys.set(x, key)
  return key
}
