import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { judgeVariant, viewSuite } from '../../node/board.ts'
import { configDefaults } from '../../node/config.ts'
import { createNode, type SwarmNode } from '../../node/node.ts'
import type { OpenSuite } from '../../node/suites.ts'
import {
  type Announcement,
  announcement,
  peerIdOf,
  publicNetworkId,
  score,
  type SealedRecord,
} from '../../protocol/index.ts'
import {
  type CID,
  cidOf,
  cidOfValue,
  encodeCanonical,
  type DeltaRoot,
  recipeId,
  recipeOf,
} from '../../src/index.ts'
import { keyOf, NOW } from '../protocol/fixtures.ts'

const base = cidOfValue('a base')

const root: DeltaRoot = {
  version: 1,
  kind: 'delta',
  base,
  architecture: 'vit',
  codecs: {},
  tensors: 0,
  elements: 0,
  bytes: 0,
  index: [],
  author: '',
  name: 'kana',
  licence: 'Apache-2.0',
  parents: [],
}

describe('records of a peer that lies', () => {
  let home: string
  let node: SwarmNode

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'dswarm-'))
    node = await createNode({ ...configDefaults, home }, { online: 'never' })
  })
  afterEach(async () => {
    await node.stop()
    await rm(home, { recursive: true, force: true })
  })

  async function announce(author: number, seq: number, body: Partial<Announcement>): Promise<void> {
    const about = { kind: 'delta', root: base, name: '', base, bytes: 1, summary: '' } as const
    const signing = { key: await keyOf(author), seq, at: NOW, networkId: publicNetworkId }
    await node.store.records.add([announcement.sign({ ...about, ...body }, signing)])
  }

  async function put(value: unknown): Promise<CID> {
    const bytes = encodeCanonical(value)
    await node.store.blocks.put(cidOf(bytes), bytes)
    return cidOf(bytes)
  }

  it('change nothing of a delta that is here', async () => {
    const delta = await put(root)
    const variant = recipeId(recipeOf({ base, root: { delta } }, node.engine)).toString()
    await announce(1, 7, { root: delta, name: 'kana' })
    const lies: readonly Partial<Announcement>[] = [
      { kind: 'suite' },
      { kind: 'recipe' },
      { base: cidOfValue('another base') },
    ]
    for (const [i, lie] of lies.entries()) {
      for (const seq of [i, 100 + i]) await announce(2, seq, { root: delta, name: 'mine', ...lie })
    }
    const [listed, ...others] = await node.library.list()
    assert.deepEqual(others, [])
    const { kind, name, authors } = listed!
    assert.deepEqual([kind, name, authors.length], ['delta', 'kana', 1])
    assert.ok(listed!.base!.equals(base))
    assert.ok((await node.library.resolve('kana')).equals(delta))
    assert.ok((await node.library.variants()).has(variant))
  })

  it('take no name from the author whom the delta itself states', async () => {
    const author = peerIdOf((await keyOf(1)).publicKey.raw)
    const delta = await put({ ...root, author })
    await announce(2, 0, { root: delta, name: 'mine', summary: 'stolen' })
    await announce(1, 7, { root: delta, name: 'kana', summary: 'honest' })
    await announce(2, 100, { root: delta, name: 'mine', summary: 'stolen' })
    const [{ name, summary, authors } = assert.fail('nothing is listed')] =
      await node.library.list()
    assert.deepEqual([name, summary], ['kana', 'honest'])
    assert.equal(authors[0], author)
  })

  it('name recipes of operators unknown here, and the board still stands', async () => {
    const delta = await put(root)
    const unknown = await put({
      version: 1,
      algorithm: 1,
      base,
      mode: 'paper',
      root: { operator: 'no-such-operator', parameters: {}, inputs: [{ delta }] },
    })
    await announce(1, 1, { kind: 'recipe', root: unknown, name: 'odd' })
    const suite = cidOfValue('a suite')
    const records: SealedRecord[] = []
    for (const author of [1, 2]) {
      const body = { variant: unknown, suite, shard: 0, values: [1], engine: '', device: 'cpu' }
      const signing = { key: await keyOf(author), seq: 1, at: NOW, networkId: publicNetworkId }
      records.push(score.sign(body as never, signing))
    }
    await node.store.records.add(records)
    const frame = { id: suite, metric: 'loss', targets: [[1]] } as const
    const view = await viewSuite(node, { id: suite, frame } as unknown as OpenSuite)
    assert.deepEqual(
      view.board.standings.map(({ variant }) => variant.toString()),
      [unknown.toString()],
    )
    assert.equal(judgeVariant(node, view, unknown), undefined)
  })

  it('point at roots whose nodes name each other over and over, and listing still ends', async () => {
    let pair = [await put({ ...root, name: 'a' }), await put({ ...root, name: 'b' })]
    for (let depth = 0; depth < 24; depth++) {
      const index = pair.toSorted((a, b) => (a.toString() < b.toString() ? -1 : 1))
      pair = [await put({ ...root, name: 'a', index }), await put({ ...root, name: 'b', index })]
    }
    const started = performance.now()
    assert.equal(await node.library.has(pair[0]!), true)
    assert.ok(performance.now() - started < 2000)
  })
})
