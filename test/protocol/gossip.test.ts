import assert from 'node:assert/strict'
import type { GossipSub } from '@libp2p/gossipsub'
import { judgeBatch, topicsOf } from '../../protocol/gossip.ts'
import { publicNetworkId } from '../../protocol/signature.ts'
import { judge } from '../../protocol/verdict.ts'
import { encodeCanonical } from '../../src/canonical.ts'
import { keyOf, NOW, signedAnnouncement, signedScore } from './fixtures.ts'
import { createRecordPeer, eventually, idsOf, type RecordPeer } from './record-peers.ts'

const [announcements, scores] = [...topicsOf(publicNetworkId).values()] as [string, string]

function scoreOf(peer: RecordPeer, of: RecordPeer): number {
  return (peer.pubsub as GossipSub & { getScore(id: string): number }).getScore(
    of.peerId.toString(),
  )
}

async function meshed(...peers: readonly RecordPeer[]): Promise<void> {
  await eventually('everybody subscribes', () =>
    peers.every(({ pubsub }) => pubsub.getSubscribers(scores).length > 0),
  )
}

const verdictOn = (bytes: Uint8Array) =>
  judge(bytes, { now: NOW, networkId: publicNetworkId, has: () => false })

function verdictOnBatch(value: unknown, type = 'score'): string {
  return judgeBatch(type, encodeCanonical(value), verdictOn).verdict
}

describe('a batch of records', () => {
  it('is accepted with one new record, ignored with none, rejected with a bad one', async () => {
    const key = await keyOf(1)
    const good = signedScore(key).bytes
    const future = signedScore(key, { at: NOW + 1e9 }).bytes
    const bad = signedScore(key, { networkId: new Uint8Array(32) }).bytes
    assert.equal(verdictOnBatch([good]), 'accept')
    assert.equal(verdictOnBatch([future, good]), 'accept')
    assert.equal(verdictOnBatch([future]), 'ignore')
    assert.equal(verdictOnBatch([good, bad]), 'reject')
    assert.deepEqual(judgeBatch('score', encodeCanonical([good, bad]), verdictOn).accepted, [])
  })

  it('is rejected when it is no list, too long, or on the topic of another type', async () => {
    const key = await keyOf(1)
    const record = signedScore(key).bytes
    assert.equal(verdictOnBatch([]), 'reject')
    assert.equal(verdictOnBatch({ records: [record] }), 'reject')
    assert.equal(verdictOnBatch(['text']), 'reject')
    assert.equal(verdictOnBatch(Array(33).fill(record)), 'reject')
    assert.equal(verdictOnBatch([record], 'announcement'), 'reject')
    assert.equal(judgeBatch('score', new Uint8Array(16_385), verdictOn).verdict, 'reject')
    assert.equal(judgeBatch('score', new Uint8Array([0x9f, 0xff]), verdictOn).verdict, 'reject')
  })
})

describe('gossip', function () {
  this.timeout(60_000)

  it('carries records to every peer, also over one in between', async () => {
    await using one = await createRecordPeer()
    await using middle = await createRecordPeer()
    await using other = await createRecordPeer()
    await one.connect(middle)
    await middle.connect(other)
    await meshed(one, middle, other)
    const key = await keyOf(1)
    const published = [
      ...Array.from({ length: 50 }, (_, seq) => signedScore(key, { seq })),
      signedAnnouncement(key),
    ]
    await one.records.add(published)
    await one.gossip.publish(published)
    await eventually('all have 51', () => other.records.size === 51 && middle.records.size === 51)
    assert.deepEqual(idsOf(other.records), idsOf(one.records))
    assert.equal(other.arrived.length, 51)
    assert.deepEqual(one.arrived, [])
    assert.deepEqual([...middle.refused, ...other.refused], [])
  })

  it('ignores what is known, at no cost for the sender', async () => {
    await using one = await createRecordPeer()
    await using other = await createRecordPeer()
    await one.connect(other)
    await meshed(one, other)
    const sealed = signedScore(await keyOf(1))
    await other.records.add([sealed])
    await one.gossip.publish([sealed])
    await eventually('it is judged', () => other.refused.length === 1)
    assert.equal(other.refused[0]!.verdict, 'ignore')
    assert.deepEqual(other.arrived, [])
    assert.ok(scoreOf(other, one) >= 0)
  })

  it('makes invalid messages cost their sender, and passes none on', async () => {
    await using liar = await createRecordPeer()
    await using middle = await createRecordPeer()
    await using other = await createRecordPeer()
    await liar.connect(middle)
    await middle.connect(other)
    await meshed(liar, middle, other)
    const key = await keyOf(1)
    const forged = (seq: number) => signedScore(key, { seq, networkId: new Uint8Array(32) }).bytes
    for (const seq of [1, 2, 3]) await liar.pubsub.publish(scores, encodeCanonical([forged(seq)]))
    await eventually('all are judged', () => middle.refused.length === 3)
    assert.ok(middle.refused.every(({ verdict }) => verdict === 'reject'))
    await eventually('the score falls', () => scoreOf(middle, liar) < -100)
    await middle.gossip.publish([signedAnnouncement(key)])
    await eventually('the next message is there', () => other.records.size === 1)
    assert.deepEqual(other.refused, [])
    assert.equal(middle.records.size, 0)
  })

  it('takes no part in topics of other networks', async () => {
    await using one = await createRecordPeer()
    await using other = await createRecordPeer({ networkId: new Uint8Array(32).fill(5) })
    await one.connect(other)
    await eventually('they are gossip peers', () => one.pubsub.getPeers().length === 1)
    assert.deepEqual(one.pubsub.getSubscribers(scores), [])
    assert.deepEqual(one.pubsub.getTopics().toSorted(), [announcements, scores].toSorted())
  })
})
