import assert from 'node:assert/strict'
import { type Blockstore, createMemoryBlockstore } from '../../protocol/block.ts'
import type { FetchProgress } from '../../protocol/exchange/fetch.ts'
import { NotAllowedError } from '../../src/index.ts'
import { createDag, createPeer, storeWith } from './exchange-fixture.ts'

const MIB = 2 ** 20

describe('exchange', function () {
  this.timeout(60_000)

  const dag = createDag(Array.from({ length: 9 }, (_, i) => (i % 3 === 2 ? 1000 + i : MIB)))

  async function assertHasAll(store: Blockstore, from = dag): Promise<void> {
    for (const { cid, bytes } of from.blocks.values()) {
      const stored = await store.get(cid)
      assert.ok(
        stored !== undefined && Buffer.compare(stored, bytes) === 0,
        `${cid.toString()} differs`,
      )
    }
  }

  it('fetches a DAG of several MiB and reports what came', async () => {
    await using server = await createPeer(await storeWith(dag))
    await using client = await createPeer(createMemoryBlockstore(), { dial: [server] })
    const peer = server.libp2p.peerId
    const seen: FetchProgress[] = []
    const report = await client.exchange.fetch(dag.root, {
      providers: [peer],
      onProgress: (progress) => seen.push(progress),
    })
    await assertHasAll(client.blockstore)
    const bytes = [...dag.blocks.values()].reduce((sum, block) => sum + block.bytes.length, 0)
    const counted = { blocks: dag.blocks.size, bytes }
    assert.deepEqual(report.peers, [{ peer: peer.toString(), ...counted }])
    assert.deepEqual({ blocks: report.blocks, bytes: report.bytes }, counted)
    assert.equal(report.duplicates, 0)
    assert.deepEqual(seen.at(-1), { known: dag.blocks.size, held: dag.blocks.size, ...counted })
    assert.equal(client.exchange.counters.get(peer.toString())?.bytesIn, bytes)
    assert.equal(server.exchange.counters.get(client.libp2p.peerId.toString())?.bytesOut, bytes)
  })

  it('asks after an abort only for what is missing', async () => {
    await using server = await createPeer(await storeWith(dag))
    await using client = await createPeer(createMemoryBlockstore(), { dial: [server] })
    const providers = [server.libp2p.peerId]
    const controller = new AbortController()
    const aborted = client.exchange.fetch(dag.root, {
      providers,
      signal: controller.signal,
      onProgress: ({ held }) => {
        if (held === 5) controller.abort(new Error('enough'))
      },
    })
    await assert.rejects(aborted, /enough/)
    let missing = 0
    for (const { cid } of dag.blocks.values()) {
      if (!(await client.blockstore.has(cid))) missing += 1
    }
    assert.ok(missing > 0 && missing <= dag.blocks.size - 5, `${missing} are missing`)
    const report = await client.exchange.fetch(dag.root, { providers })
    assert.equal(report.blocks, missing)
    await assertHasAll(client.blockstore)
  })

  it('drops and bans a peer that sends wrong bytes, and goes on with another', async () => {
    const evil = await storeWith(dag)
    const wrong = dag.leaves[4]!
    await evil.put(wrong, new Uint8Array(MIB))
    await using bad = await createPeer(evil)
    await using client = await createPeer(createMemoryBlockstore(), { dial: [bad] })
    await assert.rejects(client.exchange.fetch(dag.root, { providers: [bad.libp2p.peerId] }), {
      name: 'VerificationError',
      id: 'E_BLOCK_HASH',
    })
    assert.equal(await client.blockstore.has(wrong), false)
    assert.ok(client.exchange.isBanned(bad.libp2p.peerId))

    await using good = await createPeer(await storeWith(dag), { dial: [client] })
    const providers = [bad.libp2p.peerId, good.libp2p.peerId]
    const report = await client.exchange.fetch(dag.root, { providers })
    await assertHasAll(client.blockstore)
    assert.equal(client.exchange.isBanned(good.libp2p.peerId), false)
    const dropped = report.peers.find(({ peer }) => peer === bad.libp2p.peerId.toString())
    assert.deepEqual(dropped, { peer: dropped?.peer, blocks: 0, bytes: 0, dropped: 'E_BANNED' })
    await assert.rejects(bad.exchange.have(client.libp2p.peerId, dag.root), {
      name: 'NetworkError',
    })
  })

  it('uses the other provider when one lies in the middle of a fetch', async () => {
    const evil = await storeWith(dag)
    for (const leaf of dag.leaves) await evil.put(leaf, new Uint8Array(7))
    await using bad = await createPeer(evil)
    await using good = await createPeer(await storeWith(dag))
    await using client = await createPeer(createMemoryBlockstore(), { dial: [bad, good] })
    const providers = [bad.libp2p.peerId, good.libp2p.peerId]
    const report = await client.exchange.fetch(dag.root, { providers })
    await assertHasAll(client.blockstore)
    assert.equal(report.peers[0]?.dropped, 'E_BLOCK_HASH')
    assert.ok(client.exchange.isBanned(bad.libp2p.peerId))
  })

  it('takes what one provider lacks from another', async () => {
    await using first = await createPeer(await storeWith(dag, dag.leaves.slice(0, 3)))
    await using second = await createPeer(await storeWith(dag, dag.leaves.slice(6)))
    await using client = await createPeer(createMemoryBlockstore(), { dial: [first, second] })
    const providers = [first.libp2p.peerId, second.libp2p.peerId]
    const report = await client.exchange.fetch(dag.root, { providers })
    await assertHasAll(client.blockstore)
    assert.equal(report.blocks, dag.blocks.size)
  })

  it('rejects with E_BLOCK_NOT_FOUND when nobody has a block', async () => {
    const lost = dag.leaves[2]!
    await using server = await createPeer(await storeWith(dag, [lost]))
    await using client = await createPeer(createMemoryBlockstore(), { dial: [server] })
    await assert.rejects(client.exchange.fetch(dag.root, { providers: [server.libp2p.peerId] }), {
      id: 'E_BLOCK_NOT_FOUND',
      details: { cid: lost.toString(), asked: 1 },
    })
    assert.equal(client.exchange.isBanned(server.libp2p.peerId), false)
  })

  it('asks for no leaf before the caller admits the root and the nodes', async () => {
    await using server = await createPeer(await storeWith(dag))
    await using client = await createPeer(createMemoryBlockstore(), { dial: [server] })
    const kinds: string[] = []
    const refused = client.exchange.fetch(dag.root, {
      providers: [server.libp2p.peerId],
      admit(cid, _bytes, kind) {
        kinds.push(kind)
        assert.ok(cid.equals(dag.root))
        throw new NotAllowedError('E_BASE_UNKNOWN', 'the base is not here')
      },
    })
    await assert.rejects(refused, { id: 'E_BASE_UNKNOWN' })
    assert.deepEqual(kinds, ['root'])
    for (const { cid } of dag.blocks.values()) assert.equal(await client.blockstore.has(cid), false)
  })

  it('says how much of a DAG a peer has', async () => {
    const [lost] = dag.leaves
    await using server = await createPeer(await storeWith(dag, [lost!]))
    await using client = await createPeer(createMemoryBlockstore(), { dial: [server] })
    const known = dag.blocks.size
    assert.deepEqual(await client.exchange.have(server.libp2p.peerId, dag.root), {
      known,
      held: known - 1,
      complete: false,
    })
    await server.blockstore.put(lost!, dag.blocks.get(lost!.toString())!.bytes)
    const report = await client.exchange.have(server.libp2p.peerId, dag.root)
    assert.deepEqual(report, { known, held: known, complete: true })
    const unknown = await client.exchange.have(server.libp2p.peerId, createDag([9]).root)
    assert.deepEqual(unknown, { known: 1, held: 0, complete: false })
  })

  it('reaches its end with more fetches at once than a peer takes roots', async () => {
    const dags = Array.from({ length: 24 }, (_, i) => createDag([5000 + i, 70], { seed: i + 2 }))
    const store = createMemoryBlockstore()
    for (const { blocks } of dags)
      for (const { cid, bytes } of blocks.values()) await store.put(cid, bytes)
    await using server = await createPeer(store)
    await using client = await createPeer(createMemoryBlockstore(), { dial: [server] })
    const providers = [server.libp2p.peerId]
    const reports = await Promise.all(
      dags.map(({ root }) => client.exchange.fetch(root, { providers })),
    )
    for (const each of dags) await assertHasAll(client.blockstore, each)
    assert.ok(reports.every(({ blocks }) => blocks === 4))
  })

  it('is not reset by a reader whose store is slow', async () => {
    const slow = createMemoryBlockstore()
    let last: Promise<unknown> = Promise.resolve()
    const store: Blockstore = {
      ...slow,
      put(cid, bytes) {
        last = last.then(() => new Promise((resolve) => setTimeout(resolve, 15)))
        return last.then(() => slow.put(cid, bytes))
      },
    }
    const large = createDag(
      Array.from({ length: 24 }, () => MIB),
      { perNode: 24 },
    )
    await using server = await createPeer(await storeWith(large))
    await using client = await createPeer(store, { dial: [server] })
    const report = await client.exchange.fetch(large.root, { providers: [server.libp2p.peerId] })
    await assertHasAll(slow, large)
    assert.equal(report.peers[0]?.dropped, undefined)
  })

  it('rejects running fetches when it stops', async () => {
    await using server = await createPeer({
      ...createMemoryBlockstore(),
      get: () => new Promise(() => {}),
    })
    await using client = await createPeer(createMemoryBlockstore(), { dial: [server] })
    const fetch = client.exchange.fetch(dag.root, { providers: [server.libp2p.peerId] })
    const rejects = assert.rejects(fetch, { id: 'E_STOPPED' })
    await new Promise((resolve) => setTimeout(resolve, 50))
    await client.exchange.stop()
    await rejects
  })
})
