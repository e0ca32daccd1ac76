import { type CID, LimitError, NotFoundError } from '../../src/index.ts'
import type { Blockstore } from '../block.ts'

/**
 * A block that must be here. Rejects with `NotFoundError` `E_BLOCK_MISSING`, or `LimitError`
 * `E_BLOCK_SIZE` when it is larger than its kind may be.
 */
export async function readBlock(
  blockstore: Blockstore,
  cid: CID,
  maxBytes = Infinity,
): Promise<Uint8Array> {
  const bytes = await blockstore.get(cid)
  if (bytes === undefined) {
    throw new NotFoundError('E_BLOCK_MISSING', `block ${cid.toString()} is not here`, {
      expected: cid.toString(),
      fix: 'fetch the root again: only what is missing is transferred',
    })
  }
  if (bytes.length > maxBytes) {
    throw new LimitError('E_BLOCK_SIZE', `block ${cid.toString()} is too large for what it is`, {
      expected: `at most ${maxBytes} bytes`,
      actual: bytes.length,
    })
  }
  return bytes
}
