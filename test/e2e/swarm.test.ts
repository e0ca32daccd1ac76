import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { viewSuite } from '../../node/board.ts'
import type { SwarmNode } from '../../node/node.ts'
import { addData } from '../../node/roles/curator.ts'
import { exportFolder } from '../../node/roles/exporter.ts'
import { measure } from '../../node/roles/evaluator.ts'
import { publish, publishRecipe } from '../../node/roles/publisher.ts'
import { type Link, linksOf, peerIdOf, publicNetworkId, score } from '../../protocol/index.ts'
import { assignedPeers, type CID } from '../../src/index.ts'
import { demoPath } from '../support/shared.ts'
import { bytesIn, temporaryFolder, type TemporaryFolder, withFolder } from './model-folders.ts'
import { openNode, quiet, until } from './nodes.ts'

/**
 * Alice publishes experts and data; Bob and Carol fetch, merge and measure. Each test goes on where the
 * one before it ended.
 */
describe('a swarm of three nodes over TCP', function () {
  this.timeout(120_000)

  const experts = ['digits', 'fashion', 'kana']
  let folder: TemporaryFolder
  let alice: SwarmNode
  let bob: SwarmNode
  let carol: SwarmNode
  let deltas: readonly CID[]
  let merge: CID
  let suite: CID
  let variants: readonly CID[]

  const homeOf = (name: 'alice' | 'bob' | 'carol'): string => join(folder.path, name)

  before(async () => {
    folder = await temporaryFolder()
    alice = await openNode(homeOf('alice'), 'now')
    bob = await openNode(homeOf('bob'), 'now', [alice])
    carol = await openNode(homeOf('carol'), 'now', [alice, bob])
    await until(
      async () => swarm().every(({ network }) => network!.peers().length === 2),
      'all meet',
    )
    for (const node of swarm()) await node.bases.register(demoPath('base'), quiet)
    await Promise.all(swarm().map(({ engine }) => engine.evaluator()))
  })
  after(async () => {
    for (const node of swarm()) await node.stop()
    await folder[Symbol.asyncDispose]()
  })

  const swarm = (): readonly SwarmNode[] => [alice, bob, carol]

  it('learns of experts without a byte of their leaves', async () => {
    const published = []
    for (const name of experts) published.push(await publishExpert(alice, name))
    deltas = published
    await until(async () => (await carol.library.list()).length === experts.length, 'Carol knows')
    for (const delta of deltas) {
      const leaves = await leavesBelow(alice, delta)
      assert.ok(leaves.length > 0)
      for (const { cid } of leaves) assert.equal(await carol.store.blocks.has(cid), false)
    }
    assert.equal(carol.network!.bytesIn, 0)
  })

  it('fetches an expert by its name or CID, and gets back the weights byte for byte', async () => {
    assert.deepEqual(await carol.library.resolve('digits'), deltas[0])
    let gained = 0
    for (const delta of deltas) {
      const leaves = await leavesBelow(alice, delta)
      const before = carol.network!.bytesIn
      const bytes = await carol.library.ensure(delta, quiet)
      assert.equal(carol.network!.bytesIn - before, bytes)
      for (const { cid } of leaves) assert.ok(await carol.store.blocks.has(cid))
      const leafBytes = leaves.reduce((sum, leaf) => sum + leaf.size!, 0)
      assert.ok(bytes >= leafBytes, `${bytes} bytes came for leaves of ${leafBytes}`)
      gained += bytes
      assert.equal(await carol.library.ensure(delta, quiet), 0)
    }
    assert.equal(carol.network!.bytesIn, gained)

    const out = join(folder.path, 'digits')
    await exportFolder(carol, { subject: deltas[0]!, out }, quiet)
    await withFolder(out, ({ checkpoint: written }) =>
      withFolder(demoPath('digits-light'), async ({ checkpoint }) => {
        for (const name of checkpoint.tensors.keys()) {
          assert.deepEqual(await bytesIn(written, name), await bytesIn(checkpoint, name), name)
        }
      }),
    )
  })

  it('hears of a merge and of a data set that others can fetch', async () => {
    const { base } = (await carol.library.sources.delta(deltas[0]!)).root
    const root = { operator: 'ties', inputs: deltas.map((delta) => ({ delta })) }
    const kept = await publishRecipe(
      carol,
      { base, root },
      { name: 'merged', summary: 'ties' },
      quiet,
    )
    assert.equal(kept.shared, true)
    merge = kept.id
    const [added] = await addData(alice, {
      paths: [demoPath('eval/digits.safetensors')],
      name: 'held-out',
      metric: 'loss',
      split: [],
      mean: 0.5,
      deviation: 0.5,
      labelOffset: 0,
      licence: 'CC0-1.0',
    })
    suite = added!.id
    await until(async () => {
      const lists = await Promise.all(swarm().map((node) => node.library.list()))
      return lists.every((list) => list.length === experts.length + 2)
    }, 'all know the merge and the data')
    assert.deepEqual(await bob.library.resolve('merged'), merge)
  })

  it('shares the measuring, two peers to each shard', async () => {
    const subjects = [...deltas.slice(0, 2), merge]
    for (const node of swarm()) ({ variants } = await measureShare(node, subjects))
    await meet(swarm())

    const records = await carol.store.records.scores(suite)
    const peers = swarm().map(({ peer }) => peer)
    const { shards } = await carol.suites.open('held-out', quiet)
    assert.equal(records.length, 2 * subjects.length * shards.length)
    for (const variant of variants) {
      for (const { index: shard } of shards) {
        const text = { variant: variant.toString(), suite: suite.toString() }
        const assigned = assignedPeers({ ...text, shard, peers, copies: 2 })
        const found = records.filter(
          ({ record: { body } }) => body.variant.equals(variant) && body.shard === shard,
        )
        const authors = found.map(({ record }) => peerIdOf(record.author))
        assert.deepEqual(authors.toSorted(), assigned.toSorted())
        assert.deepEqual(found[0]!.record.body.values, found[1]!.record.body.values)
      }
    }
  })

  it('ranks the variants, and the expert before the merge on its own task', async () => {
    const { board } = await viewSuite(carol, await carol.suites.open('held-out', quiet))
    assert.deepEqual(
      board.standings.map(({ variant }) => variant.toString()),
      [variants[0]!, variants[2]!, variants[1]!].map(String),
    )
  })

  it('meets again after a node was away while others measured', async () => {
    const before = await viewRoots([bob])
    await bob.stop()
    await measureShare(alice, [deltas[2]!], [alice, carol])
    await measureShare(carol, [deltas[2]!], [alice, carol])
    await meet([alice, carol])

    bob = await openNode(homeOf('bob'), 'now', [alice, carol])
    await meet(swarm())
    assert.notDeepEqual(await viewRoots([bob]), before)
  })

  it('is not served blocks that a disk damaged, and repairs them when a peer has them', async () => {
    const delta = await publishExpert(alice, 'latin')
    await until(
      async () => (await bob.library.list()).some(({ cid }) => cid.equals(delta)),
      'Bob knows',
    )
    await bob.library.ensure(delta, quiet)
    const leaves = await leavesBelow(alice, delta)
    for (const { cid } of leaves) await damage(homeOf('bob'), cid)
    await alice.stop()
    await until(async () => carol.network!.peers().length === 1, 'Carol misses Alice')

    await assert.rejects(carol.library.ensure(delta, quiet), { id: 'E_BLOCK_NOT_FOUND' })
    for (const { cid } of leaves) assert.equal(await carol.store.blocks.has(cid), false)
    assert.deepEqual(
      bob.store.blocks.quarantined.toSorted(),
      leaves.map(({ cid }) => cid.toString()).toSorted(),
    )

    alice = await openNode(homeOf('alice'), 'now', [bob, carol])
    await until(async () => carol.network!.peers().length === 2, 'Alice is back')
    for (const node of [carol, bob]) {
      await node.library.ensure(delta, quiet)
      for (const { cid } of leaves) assert.ok(await node.store.blocks.get(cid))
    }
    const states = carol.network!.peers().map(({ state }) => state)
    assert.deepEqual(states, ['connected', 'connected'])
  })

  it('keeps records that verify under their measurers’ keys when read from disk again', async () => {
    await carol.stop()
    carol = await openNode(homeOf('carol'), 'never')
    const records = await carol.store.records.scores(suite)
    const peers = new Set(swarm().map(({ peer }) => peer))
    const authors = new Set<string>()
    for (const { bytes } of records) {
      const { record } = score.open(bytes, publicNetworkId)
      authors.add(peerIdOf(record.author))
      const altered = Uint8Array.from(bytes)
      altered[altered.length - 1]! ^= 1
      assert.throws(() => score.open(altered, publicNetworkId), { id: 'E_BAD_SIGNATURE' })
    }
    assert.ok(records.length > 0)
    assert.deepEqual(authors, peers)
    assert.deepEqual(await viewRoots([carol]), await viewRoots([alice]))
  })

  async function measureShare(node: SwarmNode, subjects: readonly CID[], among = swarm()) {
    const peers = among.map(({ peer }) => peer)
    const share = { peers, copies: 2 }
    const open = await node.suites.open('held-out', quiet)
    return measure(node, { subjects, suite: open, share }, quiet)
  }
})

async function publishExpert(node: SwarmNode, name: string): Promise<CID> {
  const codec = { codec: 'raw', parameters: {} }
  const [base, post] = [demoPath('base'), demoPath(`${name}-light`)]
  const request = { base, post, name, codec, edits: [], licence: 'CC0-1.0' }
  return (await publish(node, request, quiet)).id
}

function meet(nodes: readonly SwarmNode[]): Promise<void> {
  return until(async () => new Set(await viewRoots(nodes)).size === 1, 'all views are equal')
}

async function viewRoots(nodes: readonly SwarmNode[]): Promise<readonly string[]> {
  const views = nodes.map(async (node) =>
    viewSuite(node, await node.suites.open('held-out', quiet)),
  )
  return (await Promise.all(views)).map(({ root }) => root)
}

/** Flips one bit in the file of a block. */
async function damage(home: string, cid: CID): Promise<void> {
  const files = await readdir(home, { recursive: true })
  const path = join(
    home,
    files.find((file) => file.endsWith(cid.toString()))!,
  )
  const bytes = await readFile(path)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(path, bytes)
}

/** The leaves below a root, each once. */
async function leavesBelow({ store }: SwarmNode, root: CID): Promise<Link[]> {
  const leaves = new Map<string, Link>()
  const open = [root]
  for (let cid = open.pop(); cid !== undefined; cid = open.pop()) {
    for (const link of linksOf((await store.blocks.get(cid))!, cid).links) {
      if (link.kind === 'leaf') leaves.set(link.cid.toString(), link)
      else open.push(link.cid)
    }
  }
  return [...leaves.values()]
}
