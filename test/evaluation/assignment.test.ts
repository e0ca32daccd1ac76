import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { assignedPeers } from '../../src/evaluation/assignment.ts'

describe('assignedPeers', () => {
  const peers = ['alice', 'bob', 'carol']
  const assigned = (shard: number, among = peers, copies = 2): string[] =>
    assignedPeers({ variant: 'v', suite: 's', shard, peers: among, copies })

  it('names the peers with the lowest hashes', () => {
    const lowest = peers.toSorted((a, b) => (hash(a) < hash(b) ? -1 : 1)).slice(0, 2)
    assert.deepEqual(assigned(7), lowest)
  })

  it('does not depend on the order of the peers or on repetition', () => {
    for (let shard = 0; shard < 20; shard++) {
      assert.deepEqual(assigned(shard, [...peers.toReversed(), 'bob']), assigned(shard))
    }
  })

  it('names every peer when there are no more than copies', () => {
    assert.deepEqual(assigned(0, peers, 5).toSorted(), peers)
    assert.deepEqual(assigned(0, []), [])
  })

  it('shares the work evenly and moves only the shards of a peer that leaves', () => {
    const shards = Array.from({ length: 600 }, (_, shard) => shard)
    const counts = peers.map((p) => shards.filter((shard) => assigned(shard).includes(p)).length)
    for (const count of counts) assert.ok(Math.abs(count - 400) < 60, `${count}`)
    const rest = peers.slice(1)
    for (const shard of shards) {
      const before = assigned(shard).filter((peer) => peer !== 'alice')
      const after = assigned(shard, rest)
      assert.ok(before.every((peer) => after.includes(peer)))
    }
  })
})

function hash(peer: string): string {
  return createHash('sha256').update(`v\0s\x007\0${peer}`).digest('hex')
}
