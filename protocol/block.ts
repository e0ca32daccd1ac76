import type { CID } from '../src/index.ts'

/** Where blocks are kept. Whoever implements it hashes on read and never gives out bytes that differ. */
export interface Blockstore {
  has(cid: CID): Promise<boolean>
  /** `undefined` when it is absent or found damaged. */
  get(cid: CID): Promise<Uint8Array | undefined>
  /** Resolves when the block is stored; the caller has verified it or is its author. */
  put(cid: CID, bytes: Uint8Array): Promise<void>
}
