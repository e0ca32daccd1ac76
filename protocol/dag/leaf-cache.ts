import { type CID, MalformedError } from '../../src/index.ts'
import type { Blockstore } from '../block.ts'
import { readBlock } from './read-block.ts'

/** Enough for a tensor's sections read side by side; at most 4 MiB per open delta. */
const CACHED_LEAVES = 4

export interface LeafCache {
  /** Rejects with `MalformedError` `E_BAD_LEAF` when the leaf has not the length its index says. */
  read(cid: CID, length: number): Promise<Uint8Array>
}

/** The leaves used last. Readers that want one leaf at a time share one read of it. */
export function createLeafCache(blockstore: Blockstore): LeafCache {
  const recent = new Map<string, Promise<Uint8Array>>()
  return {
    async read(cid, length) {
      const key = cid.toString()
      const pending = recent.get(key) ?? readBlock(blockstore, cid)
      recent.delete(key)
      recent.set(key, pending)
      const oldest = recent.keys().next().value!
      if (recent.size > CACHED_LEAVES) recent.delete(oldest)
      const bytes = await pending.catch((error: unknown) => {
        recent.delete(key)
        throw error
      })
      if (bytes.length === length) return bytes
      throw new MalformedError('E_BAD_LEAF', `leaf ${key} has not the length its index says`, {
        expected: length,
        actual: bytes.length,
      })
    },
  }
}
