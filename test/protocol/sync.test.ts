import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import type { Connection, Stream } from '@libp2p/interface'
import { announcement } from '../../protocol/formats/announcement.ts'
import { MAX_SYNC_RESPONSE_BYTES, MAX_SYNC_STREAMS } from '../../protocol/limits.ts'
import { createMemoryRecordSet, type RecordSet } from '../../protocol/record-set.ts'
import { publicNetworkId } from '../../protocol/signature.ts'
import { createMessageStream } from '../../protocol/sync/message-stream.ts'
import { decodeRequest, encodeResponse } from '../../protocol/sync/messages.ts'
import { createIdIndex } from '../../protocol/sync/reconcile.ts'
import { answer } from '../../protocol/sync/server.ts'
import { syncProtocol } from '../../protocol/sync/sync.ts'
import { cidOf, encodeCanonical } from '../../src/canonical.ts'
import { anAnnouncement, keyOf, NOW, signedScore } from './fixtures.ts'
import { createRecordPeer, eventually, idsOf } from './record-peers.ts'

const HOUR = 3_600_000
const protocol = syncProtocol(publicNetworkId)
/** Never aborts: a deadline that begins when the file is loaded passes while other files run. */
const { signal } = new AbortController()

async function setOf(seed: number, count: number, from = 0): Promise<RecordSet> {
  const key = await keyOf(seed)
  const set = createMemoryRecordSet()
  await set.add(Array.from({ length: count }, (_, i) => signedScore(key, { seq: from + i })))
  return set
}

/** A set that holds what no honest node would: records that were never judged. */
function setOfBytes(all: readonly Uint8Array[]): RecordSet {
  const byId = new Map(all.map((bytes) => [cidOf(bytes).toString(), bytes]))
  return {
    size: byId.size,
    has: (id) => byId.has(id.toString()),
    get: async (id) => byId.get(id.toString()),
    ids: () => all.map((bytes) => cidOf(bytes)),
    add: async () => [],
  }
}

async function streamTo(peer: Awaited<ReturnType<typeof createRecordPeer>>) {
  const client = await createRecordPeer()
  const connection = await client.connect(peer)
  const stream = await connection.newStream(protocol)
  return { client, stream, messages: createMessageStream(stream, 400_000) }
}

/** Answers as an honest peer does, and closes its half of the stream `closeAfterMs` after the other. */
async function serve(stream: Stream, records: RecordSet, closeAfterMs = 0): Promise<void> {
  const ids = createIdIndex()
  for (const id of records.ids()) ids.add(id.multihash.digest)
  const messages = createMessageStream(stream, 100_000)
  for (;;) {
    const bytes = await messages.read({ signal })
    if (bytes === undefined) break
    await messages.write(encodeResponse(await answer(decodeRequest(bytes), ids, records)), {
      signal,
    })
  }
  await setTimeout(closeAfterMs)
  await stream.close()
}

function closed(stream: Stream): Promise<void> {
  return eventually('the stream ends', () => stream.status !== 'open')
}

describe('sync', function () {
  this.timeout(60_000)

  it('makes two sets equal when their nodes connect', async () => {
    await using one = await createRecordPeer({ records: await setOf(1, 30) })
    await using other = await createRecordPeer({ records: await setOf(2, 20) })
    await Promise.all([one.sync.start(), other.sync.start()])
    await one.connect(other)
    await eventually('both have 50', () => one.records.size === 50 && other.records.size === 50)
    assert.deepEqual(idsOf(one.records), idsOf(other.records))
    assert.equal(one.arrived.length, 20)
    assert.deepEqual([...one.failures, ...other.failures], [])
  })

  it('brings what came later at the next interval, over several nodes', async () => {
    const syncIntervalMs = 50
    await using one = await createRecordPeer({ syncIntervalMs })
    await using middle = await createRecordPeer({ syncIntervalMs })
    await using other = await createRecordPeer({ syncIntervalMs })
    for (const peer of [one, middle, other]) await peer.sync.start()
    await one.connect(middle)
    await middle.connect(other)
    await one.records.add([signedScore(await keyOf(1))])
    await eventually('the record is there', () => other.records.size === 1)
    assert.deepEqual(idsOf(other.records), idsOf(one.records))
  })

  it('recognises equal sets in one round trip, and differing ones with few ids', async () => {
    const asked: string[] = []
    const listed: number[] = []
    const theirs = await setOf(1, 1000)
    const ids = createIdIndex()
    for (const id of theirs.ids()) ids.add(id.multihash.digest)
    await using server = await createRecordPeer()
    await server.libp2p.handle(protocol, async (stream) => {
      const messages = createMessageStream(stream, 100_000)
      for (;;) {
        const bytes = await messages.read({ signal })
        if (bytes === undefined) return stream.close()
        const request = decodeRequest(bytes)
        const response = await answer(request, ids, theirs)
        asked.push(request.type)
        if (response.type === 'list') listed.push(response.ids.length)
        await messages.write(encodeResponse(response), { signal })
      }
    })
    await using equal = await createRecordPeer({ records: await setOf(1, 1000) })
    await equal.connect(server)
    assert.equal(await equal.sync.pullFrom(server.peerId), 0)
    assert.deepEqual(asked, ['compare'])
    await using almost = await createRecordPeer({ records: await setOf(1, 999) })
    await almost.connect(server)
    assert.equal(await almost.sync.pullFrom(server.peerId), 1)
    assert.deepEqual(asked, ['compare', 'compare', 'list', 'fetch'])
    assert.ok(listed.length === 1 && listed[0]! < 20)
  })

  it('brings a late joiner 10,000 scores #slow', async function () {
    this.timeout(120_000)
    await using full = await createRecordPeer({ records: await setOf(1, 10_000) })
    await using late = await createRecordPeer()
    await full.sync.start()
    await late.connect(full)
    const start = performance.now()
    assert.equal(await late.sync.pullFrom(full.peerId), 10_000)
    const seconds = (performance.now() - start) / 1000
    process.stdout.write(`      10,000 scores in ${seconds.toFixed(2)} s\n`)
    assert.deepEqual(idsOf(late.records), idsOf(full.records))
  })

  it('ends with a peer that sends what it had to know is wrong, and keeps the rest', async () => {
    const key = await keyOf(1)
    const good = signedScore(key)
    const forged = signedScore(key, { seq: 2, networkId: new Uint8Array(32) })
    await using liar = await createRecordPeer({ records: setOfBytes([good.bytes, forged.bytes]) })
    await using one = await createRecordPeer()
    await liar.sync.start()
    await one.connect(liar)
    await assert.rejects(one.sync.pullFrom(liar.peerId), { id: 'E_SYNC_REFUSED' })
    assert.deepEqual(idsOf(one.records), [good.id.toString()])
  })

  it('holds records from the future back and asks for them when their time has come', async () => {
    const key = await keyOf(1)
    const records = createMemoryRecordSet()
    await records.add([
      signedScore(key, { seq: 1 }),
      signedScore(key, { seq: 2, at: NOW + 24 * HOUR }),
    ])
    let now = NOW
    let fetched = 0
    const counted: RecordSet = {
      ...records,
      size: 2,
      get(id) {
        fetched++
        return records.get(id)
      },
    }
    await using ahead = await createRecordPeer({ records: counted })
    await using one = await createRecordPeer({ now: () => now })
    await ahead.sync.start()
    await one.connect(ahead)
    assert.equal(await one.sync.pullFrom(ahead.peerId), 1)
    assert.equal(await one.sync.pullFrom(ahead.peerId), 0)
    assert.equal(fetched, 2)
    now += 24 * HOUR
    assert.equal(await one.sync.pullFrom(ahead.peerId), 1)
    assert.deepEqual(idsOf(one.records), idsOf(records))
  })

  it('keeps peers whose clocks are a day apart on one set of settled records', async () => {
    await using behind = await createRecordPeer({
      records: await setOf(1, 5),
      now: () => NOW - 24 * HOUR,
    })
    await using right = await createRecordPeer({ records: await setOf(2, 5) })
    await using ahead = await createRecordPeer({
      records: await setOf(3, 5),
      now: () => NOW + 24 * HOUR,
    })
    const peers = [behind, right, ahead]
    await Promise.all(peers.map(({ sync }) => sync.start()))
    await right.connect(behind)
    await right.connect(ahead)
    await eventually('the right and the fast clock agree', () => {
      return right.records.size === 15 && ahead.records.size === 15
    })
    assert.deepEqual(idsOf(right.records), idsOf(ahead.records))
    assert.equal(behind.records.size, 5)
    assert.deepEqual(
      peers.flatMap(({ failures }) => failures),
      [],
    )
  })

  it('asks again for what did not fit one answer', async () => {
    const key = await keyOf(1)
    const records = createMemoryRecordSet()
    const body = { ...anAnnouncement, name: '名'.repeat(128), summary: '文'.repeat(512) }
    const many = Array.from({ length: 300 }, (_, seq) =>
      announcement.sign(body, { key, seq, at: NOW, networkId: publicNetworkId }),
    )
    await records.add(many)
    assert.ok(300 * many[0]!.bytes.length > 2 * MAX_SYNC_RESPONSE_BYTES)
    await using full = await createRecordPeer({ records })
    await using one = await createRecordPeer()
    await full.sync.start()
    await one.connect(full)
    assert.equal(await one.sync.pullFrom(full.peerId), 300)
  })

  it('speaks only to peers of its network', async () => {
    await using one = await createRecordPeer({ networkId: new Uint8Array(32).fill(5) })
    await using other = await createRecordPeer({ records: await setOf(1, 3) })
    await Promise.all([one.sync.start(), other.sync.start()])
    await one.connect(other)
    await assert.rejects(one.sync.pullFrom(other.peerId), {
      name: 'NetworkError',
      id: 'E_SYNC_FAILED',
    })
    assert.equal(one.records.size, 0)
  })

  it('has one session with a peer at a time, and those who ask meanwhile share the next', async () => {
    const theirs = await setOf(1, 3)
    await using server = await createRecordPeer()
    const seen = { sessions: 0, open: 0, most: 0 }
    await server.libp2p.handle(protocol, async (stream) => {
      seen.sessions += 1
      seen.open += 1
      seen.most = Math.max(seen.most, seen.open)
      await serve(stream, theirs)
      seen.open -= 1
    })
    await using one = await createRecordPeer()
    // Another session begins on connect, whenever the peers have identified each other.
    await one.sync.start()
    await one.connect(server)
    const asked = Array.from({ length: 10 }, () => one.sync.pullFrom(server.peerId))
    const added = await Promise.all(asked)
    assert.deepEqual(new Set(added.slice(1)), new Set([added[1]]))
    assert.equal(one.records.size, 3)
    assert.equal(seen.most, 1)
    assert.ok(seen.sessions <= 3, `${seen.sessions} sessions`)
    assert.deepEqual(one.failures, [])
  })

  it('brings what the session that runs has missed', async () => {
    await using full = await createRecordPeer({ records: await setOf(1, 3) })
    await using one = await createRecordPeer()
    await full.sync.start()
    await one.connect(full)
    const running = one.sync.pullFrom(full.peerId)
    await eventually('the first records are there', () => one.records.size === 3)
    await full.records.add([signedScore(await keyOf(2))])
    const next = one.sync.pullFrom(full.peerId)
    assert.deepEqual(await Promise.all([running, next]), [3, 1])
  })

  it('leaves no stream behind that the next session would count against', async () => {
    const theirs = await setOf(1, 3)
    await using server = await createRecordPeer()
    await server.libp2p.handle(protocol, (stream) => serve(stream, theirs, 50))
    await using one = await createRecordPeer()
    await one.sync.start()
    const connection = await one.connect(server)
    for (let session = 0; session < 2 * MAX_SYNC_STREAMS; session++) {
      await one.sync.pullFrom(server.peerId)
    }
    await one.sync.stop()
    assert.deepEqual(
      connection.streams.filter((stream) => stream.protocol === protocol),
      [],
    )
  })

  it('leaves connections alone that are closing', async () => {
    await using full = await createRecordPeer({ records: await setOf(1, 3) })
    await using one = await createRecordPeer()
    await full.sync.start()
    const open = await one.connect(full)
    const closing = Object.create(open, { status: { value: 'closing' } }) as Connection
    closing.newStream = () => Promise.reject(new Error('the connection is closing'))
    one.libp2p.getConnections = () => [closing, open]
    assert.equal(await one.sync.pullFrom(full.peerId), 3)
  })

  it('waits for all sessions when it stops, and begins none after', async () => {
    await using server = await createRecordPeer()
    await server.libp2p.handle(protocol, () => {})
    await using one = await createRecordPeer()
    await one.sync.start()
    await one.connect(server)
    const ended: string[] = []
    const asked = [1, 2].map((n) =>
      assert
        .rejects(one.sync.pullFrom(server.peerId), { id: 'E_SYNC_FAILED' })
        .then(() => ended.push(`session ${n}`)),
    )
    await one.sync.stop()
    ended.push('stop')
    await Promise.all(asked)
    assert.deepEqual(ended, ['session 1', 'session 2', 'stop'])
  })

  it('rejects when the peer is not connected', async () => {
    await using one = await createRecordPeer()
    const { peerId } = one
    await assert.rejects(one.sync.pullFrom(peerId), { id: 'E_SYNC_FAILED' })
  })
})

describe('a sync server', function () {
  this.timeout(60_000)

  it('ends the stream of a peer that sends no request or too much', async () => {
    await using server = await createRecordPeer({ records: await setOf(1, 3) })
    await server.sync.start()
    for (const message of [
      new Uint8Array([1]),
      encodeCanonical({ type: 'compare', digest: new Uint8Array(31) }),
      encodeCanonical({ type: 'fetch', ids: new Uint8Array(513 * 32) }),
      encodeCanonical({ type: 'list', buckets: new Uint8Array(257) }),
      new Uint8Array(40_000),
    ]) {
      const { client, stream, messages } = await streamTo(server)
      await using _ = client
      await messages.write(message, { signal })
      await closed(stream)
    }
    await using honest = await createRecordPeer()
    await honest.connect(server)
    assert.equal(await honest.sync.pullFrom(server.peerId), 3)
  })
})

describe('a sync client', function () {
  this.timeout(60_000)

  it('gives up on a server that answers something else or never ends', async () => {
    const endless = [1, 2, 3].map((n) => new Uint8Array(32).fill(n))
    const answers = {
      'another type': () => encodeResponse({ type: 'fetch', records: [] }),
      'no message': () => new Uint8Array([0xff]),
      'too much': () => new Uint8Array(500_000),
      'ids for ever': (turn: number) =>
        turn === 0
          ? encodeResponse({ type: 'compare', buckets: new Uint8Array(4096) })
          : encodeResponse({ type: 'list', ids: endless, more: true }),
    }
    for (const [name, answer] of Object.entries(answers)) {
      await using server = await createRecordPeer()
      await using client = await createRecordPeer()
      await server.libp2p.handle(protocol, async (stream) => {
        const messages = createMessageStream(stream, 100_000)
        for (let turn = 0; ; turn++) {
          if ((await messages.read({ signal }).catch(() => undefined)) === undefined) return
          await messages.write(answer(turn), { signal }).catch(() => undefined)
        }
      })
      await client.connect(server)
      await assert.rejects(client.sync.pullFrom(server.peerId), { id: 'E_SYNC_FAILED' }, name)
      assert.equal(client.records.size, 0)
    }
  })
})
