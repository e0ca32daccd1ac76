import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { viewSuite } from '../../node/board.ts'
import { readConfig } from '../../node/config.ts'
import { createNetworkTime } from '../../node/network/network-time.ts'
import { createNode, type SwarmNode } from '../../node/node.ts'
import type { OpenSuite } from '../../node/suites.ts'
import { cidOfValue } from '../../src/index.ts'
import { until } from '../e2e/nodes.ts'
import { anAnnouncement } from '../protocol/fixtures.ts'

const DAY_MS = 24 * 60 * 60_000

const suite = {
  id: cidOfValue('a suite'),
  frame: { id: cidOfValue('a suite'), metric: 'loss', targets: [[1]] },
} as unknown as OpenSuite

describe('a node whose clock is off by a day', () => {
  let home: string
  let alice: SwarmNode
  let bob: SwarmNode

  async function start(days: number): Promise<void> {
    home = await mkdtemp(join(tmpdir(), 'dswarm-'))
    alice = await createNode(readConfig({ home: join(home, 'alice') }, {}), { online: 'now' })
    const peers = alice.network!.addresses()
    const config = readConfig({ home: join(home, 'bob'), peers }, {})
    bob = await createNode(config, {
      online: 'now',
      now: () => Math.min(Date.now() + days * DAY_MS, Number.MAX_SAFE_INTEGER),
    })
    await until(() => Promise.resolve(alice.network!.peers().length === 1), 'they are connected')
  }
  afterEach(async () => {
    await bob.stop()
    await alice.stop()
    await rm(home, { recursive: true, force: true })
  })

  /** Losses of two variants, as each finds them. */
  async function measureBoth(): Promise<void> {
    for (const [node, losses] of [
      [alice, [2_000_000, 1_000_000]],
      [bob, [1_500_000, 1_200_000]],
    ] as const) {
      await node.author.score(
        losses.map((loss, i) => ({
          variant: cidOfValue(`variant ${i}`),
          suite: suite.id,
          shard: 0,
          values: [loss],
          engine: 'test',
          device: 'cpu',
        })),
      )
    }
  }

  async function look(node: SwarmNode) {
    const { board, root } = await viewSuite(node, suite, { minMeasurers: 1 })
    return { root, losses: board.standings.map(({ loss }) => loss) }
  }

  it('ahead is held back by others and named, and changes no ranking of theirs', async () => {
    await start(1)
    await measureBoth()
    await bob.author.announce(anAnnouncement)
    const before = Date.now()
    await until(() => Promise.resolve(alice.network!.heldBack().length === 3), 'all are held back')
    for (const { author, at } of alice.network!.heldBack()) {
      assert.equal(author, bob.peer)
      assert.ok(Date.parse(at) > before + DAY_MS / 2, at)
    }
    assert.deepEqual((await look(alice)).losses, [1, 2])
    assert.deepEqual(await alice.library.list(), [])
    assert.equal(alice.network!.peers()[0]?.state, 'connected')
  })

  it('at the end of time is held back too', async () => {
    await start(Number.MAX_SAFE_INTEGER / DAY_MS)
    await bob.author.announce(anAnnouncement)
    await until(() => Promise.resolve(alice.network!.heldBack().length === 1), 'it is held back')
    assert.equal(alice.network!.heldBack()[0]?.at, '+275760-09-13T00:00:00.000Z')
  })

  it('behind holds back what one other says, and counts like any other elsewhere', async () => {
    await start(-1)
    await measureBoth()
    await until(() => Promise.resolve(bob.network!.heldBack().length === 2), 'both are held back')
    await until(async () => (await look(alice)).losses[0] === 1.1, 'alice has all')
    assert.deepEqual((await look(alice)).losses, [1.1, 1.75])
    assert.deepEqual((await look(bob)).losses, [1.2, 1.5])
    assert.deepEqual(alice.network!.heldBack(), [])
  })
})

describe('network time', () => {
  const clock = { now: () => 1000 }

  it('is the own clock while others lag, agree, or are one alone', () => {
    const time = createNetworkTime(clock)
    assert.equal(time.now(), 1000)
    time.hear('alice', 400)
    time.hear('bob', 900)
    assert.equal(time.now(), 1000)
    const alone = createNetworkTime(clock)
    alone.hear('alice', 90_000)
    assert.equal(alone.now(), 1000)
  })

  it('follows the others when most of them are later', () => {
    const time = createNetworkTime(clock)
    time.hear('alice', 90_000)
    time.hear('bob', 91_000)
    assert.equal(time.now(), 90_000)
    time.hear('carol', 500)
    assert.equal(time.now(), 1000)
  })
})
