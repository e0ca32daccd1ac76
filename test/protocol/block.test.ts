import assert from 'node:assert/strict'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { createMemoryBlockstore, verifyBlock } from '../../protocol/block.ts'
import { cidOf, RAW } from '../../src/canonical.ts'

describe('a block', () => {
  const bytes = new TextEncoder().encode('the bytes')

  it('is verified against its CID', () => {
    verifyBlock(cidOf(bytes, RAW), bytes)
    verifyBlock(cidOf(bytes), bytes)
    const other = new TextEncoder().encode('the bytez')
    assert.throws(() => verifyBlock(cidOf(bytes, RAW), other), {
      name: 'VerificationError',
      id: 'E_BLOCK_HASH',
      expected: cidOf(bytes, RAW).toString(),
      actual: cidOf(other, RAW).toString(),
    })
  })

  it('is refused above 1 MiB and under a hash that is not used here', () => {
    const large = new Uint8Array(2 ** 20 + 1)
    assert.throws(() => verifyBlock(cidOf(large, RAW), large), { id: 'E_BLOCK_SIZE' })
    const identity = CID.createV1(RAW, create(0, bytes))
    assert.throws(() => verifyBlock(identity, bytes), { id: 'E_BAD_CID' })
  })

  it('is kept in memory until asked for', async () => {
    const blockstore = createMemoryBlockstore()
    const cid = cidOf(bytes, RAW)
    assert.equal(await blockstore.get(cid), undefined)
    await blockstore.put(cid, bytes)
    assert.ok(await blockstore.has(cid))
    assert.deepEqual(await blockstore.get(cid), bytes)
  })
})
