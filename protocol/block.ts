import { equals } from 'uint8arrays/equals'
import {
  type CID,
  cidOf,
  checkCid,
  type DAG_CBOR,
  LimitError,
  type RAW,
  VerificationError,
} from '../src/index.ts'
import { MAX_BLOCK_BYTES } from './limits.ts'

/**
 * Where blocks are kept. Whoever implements it hashes on read and never gives out bytes that
 * differ.
 */
export interface Blockstore {
  has(cid: CID): Promise<boolean>
  /** `undefined` when it is absent or found damaged. */
  get(cid: CID): Promise<Uint8Array | undefined>
  /**
   * Resolves when the block is stored; the caller has verified it or is its author, and may write
   * over `bytes` from then on.
   */
  put(cid: CID, bytes: Uint8Array): Promise<void>
}

/**
 * Checks that `bytes` are the block that `cid` names. Throws `MalformedError` `E_BAD_CID` for a
 * kind of CID that is not used here, `LimitError` `E_BLOCK_SIZE` above 1 MiB, and
 * `VerificationError` `E_BLOCK_HASH` when the hash differs.
 */
export function verifyBlock(cid: CID, bytes: Uint8Array): void {
  checkCid(cid)
  if (bytes.length > MAX_BLOCK_BYTES) {
    throw new LimitError('E_BLOCK_SIZE', `a block of ${bytes.length} bytes is too large`, {
      expected: `at most ${MAX_BLOCK_BYTES} bytes`,
      actual: bytes.length,
      details: { cid: cid.toString() },
    })
  }
  const actual = cidOf(bytes, cid.code as typeof RAW | typeof DAG_CBOR)
  if (equals(actual.multihash.digest, cid.multihash.digest)) return
  throw new VerificationError('E_BLOCK_HASH', `the bytes are not the block ${cid.toString()}`, {
    expected: cid.toString(),
    actual: actual.toString(),
    fix: 'fetch the block again, from another peer',
  })
}

/** Blocks in memory, for tests and for peers that keep nothing. */
export function createMemoryBlockstore(): Blockstore & { readonly size: number } {
  const blocks = new Map<string, Uint8Array>()
  return {
    get size() {
      return blocks.size
    },
    has: async (cid) => blocks.has(cid.toString()),
    get: async (cid) => blocks.get(cid.toString()),
    async put(cid, bytes) {
      blocks.set(cid.toString(), bytes.slice())
    },
  }
}
