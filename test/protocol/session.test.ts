import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { createAllowance, createBudget, createCredit } from '../../protocol/exchange/credit.ts'
import { createSession, type Session } from '../../protocol/exchange/session.ts'
import type { SessionAction, SessionEvent } from '../../protocol/exchange/session-event.ts'
import { MAX_BYTES_IN_FLIGHT } from '../../protocol/limits.ts'
import { type CID, NetworkError } from '../../src/index.ts'
import { createDag, type Dag, linksOfDag, xorshift } from './exchange-fixture.ts'

type Action<T extends SessionAction['type']> = Extract<SessionAction, { type: T }>

const MIB = 2 ** 20
const gone = new NetworkError('E_STREAM_ENDED', 'the stream ended')

/** A session whose store answers at once and whose peers answer when a test says so. */
function createHarness(dag: Dag, { expected = 1, held = new Set<string>() } = {}) {
  const budget = createBudget(MAX_BYTES_IN_FLIGHT)
  let ids = 0
  const session: Session = createSession(dag.root, {
    links: linksOfDag,
    budget,
    expected,
    nextId: () => (ids += 1),
  })
  const log: SessionAction[] = []
  const wants: Action<'want'>[] = []
  let now = 0

  function send(event: SessionEvent): void {
    for (const action of session.handle(event, now)) {
      log.push(action)
      if (action.type === 'want') wants.push(action)
      if (action.type === 'look') {
        const { cid } = action
        const bytes = action.leaf ? undefined : dag.blocks.get(cid.toString())!.bytes
        send(held.has(cid.toString()) ? { type: 'found', cid, bytes } : { type: 'missing', cid })
      }
      if (action.type === 'admit') send({ type: 'admitted', cid: action.cid })
      if (action.type === 'store') {
        held.add(action.cid.toString())
        send({ type: 'stored', cid: action.cid })
      }
    }
  }

  return {
    session,
    budget,
    held,
    log,
    wants,
    send,
    add: (peer: string) => send({ type: 'providerAdded', peer, allowance: createAllowance() }),
    /** Time passes in steps of a quarter of a second. */
    pass(ms: number) {
      for (const end = now + ms; now < end;) {
        now += 250
        send({ type: 'tick' })
      }
    },
    /** Sends the blocks of a want as they are, or other bytes. */
    answer({ peer, id, blocks }: Action<'want'>, bytes?: Uint8Array) {
      blocks.forEach((cid, i) => {
        const right = dag.blocks.get(cid.toString())!.bytes
        send({ type: 'block', peer, id, i, bytes: bytes ?? right })
      })
    },
    answerAll() {
      for (let want = wants.shift(); want !== undefined; want = wants.shift()) this.answer(want)
    },
    last: <T extends SessionAction['type']>(type: T) =>
      log.findLast((action): action is Action<T> => action.type === type),
  }
}

const asked = ({ blocks }: { blocks: readonly CID[] }): string[] => blocks.map(String)

describe('session', () => {
  const dag = createDag([100, 200, 300, 400, 500, 600])

  it('asks for the root, then the nodes, then the leaves', () => {
    const fetch = createHarness(dag)
    fetch.send({ type: 'start' })
    fetch.add('a')
    const order: string[] = []
    for (let want = fetch.wants.shift(); want !== undefined; want = fetch.wants.shift()) {
      order.push(...asked(want))
      fetch.answer(want)
    }
    assert.equal(order[0], dag.root.toString())
    assert.deepEqual(order.slice(1, 3), dag.nodes.map(String))
    assert.deepEqual(order.slice(3).sort(), dag.leaves.map(String).sort())
    assert.equal(fetch.log.at(-1)?.type, 'done')
    assert.equal(fetch.budget.free, MAX_BYTES_IN_FLIGHT)
  })

  it('asks for nothing that the store holds', () => {
    const held = new Set([dag.root, dag.nodes[0]!, dag.leaves[1]!, dag.leaves[4]!].map(String))
    const missing = [...dag.blocks.keys()].filter((key) => !held.has(key)).sort()
    const fetch = createHarness(dag, { held })
    fetch.send({ type: 'start' })
    fetch.add('a')
    const order: string[] = []
    for (let want = fetch.wants.shift(); want !== undefined; want = fetch.wants.shift()) {
      order.push(...asked(want))
      fetch.answer(want)
    }
    assert.deepEqual(order.sort(), missing)
  })

  it('keeps what one peer owes within its credit, and asks for more as blocks are stored', () => {
    const large = createDag(
      Array.from({ length: 20 }, () => MIB),
      { perNode: 20 },
    )
    const fetch = createHarness(large)
    fetch.send({ type: 'start' })
    fetch.add('a')
    for (let i = 0; i < 2; i++) fetch.answer(fetch.wants.shift()!)
    // One of four MiB is taken by the node, whose size nobody stated, until it is stored.
    assert.equal(fetch.wants[0]?.blocks.length, 3)
    fetch.answerAll()
    assert.equal(fetch.log.at(-1)?.type, 'done')
  })

  it('drops a peer at wrong bytes and asks another for the same blocks', () => {
    const fetch = createHarness(dag, { expected: 2 })
    fetch.send({ type: 'start' })
    fetch.add('a')
    fetch.add('b')
    fetch.answer(fetch.wants.shift()!, Uint8Array.of(1))
    const drop = fetch.last('dropPeer')
    assert.deepEqual([drop?.peer, drop?.error.id], ['a', 'E_BLOCK_HASH'])
    assert.deepEqual(
      fetch.wants.map(({ peer, blocks }) => [peer, String(blocks[0])]),
      [['b', dag.root.toString()]],
    )
    fetch.answerAll()
    assert.equal(fetch.log.at(-1)?.type, 'done')
    assert.deepEqual(fetch.session.progress.peers[0], {
      peer: 'a',
      blocks: 0,
      bytes: 0,
      dropped: 'E_BLOCK_HASH',
    })
  })

  it('drops a peer that answers what was not asked, or answers twice', () => {
    for (const answer of [
      { id: 99, i: 0 },
      { id: 1, i: 1 },
    ]) {
      const fetch = createHarness(dag)
      fetch.send({ type: 'start' })
      fetch.add('a')
      fetch.send({ type: 'dont', peer: 'a', id: answer.id, i: [answer.i] })
      assert.equal(fetch.last('dropPeer')?.error.id, 'E_UNASKED')
      assert.equal(fetch.last('failed')?.error.id, 'E_NO_PROVIDER')
    }
  })

  it('ends when a node states a wrong length of a block', () => {
    const fetch = createHarness(dag)
    const lying = createSession(dag.root, {
      links: (cid, bytes) => linksOfDag(cid, bytes).map((link) => ({ ...link, size: 1 })),
      budget: fetch.budget,
      expected: 1,
      nextId: () => 1,
    })
    lying.handle({ type: 'start' }, 0)
    lying.handle({ type: 'missing', cid: dag.root }, 0)
    lying.handle({ type: 'providerAdded', peer: 'a', allowance: createAllowance() }, 0)
    const at = (cid: CID) => dag.blocks.get(cid.toString())!.bytes
    lying.handle({ type: 'block', peer: 'a', id: 1, i: 0, bytes: at(dag.root) }, 0)
    lying.handle({ type: 'admitted', cid: dag.root }, 0)
    for (const cid of dag.nodes) lying.handle({ type: 'missing', cid }, 0)
    lying.handle({ type: 'stored', cid: dag.root }, 0)
    const bytes = at(dag.nodes[0]!)
    const actions = lying.handle({ type: 'block', peer: 'a', id: 1, i: 0, bytes }, 0)
    const [end] = actions
    assert.equal(end?.type === 'failed' && end.error.id, 'E_BLOCK_LENGTH')
  })

  it('rests a peer that chokes, for as long as it says', () => {
    const fetch = createHarness(dag)
    fetch.send({ type: 'start' })
    fetch.add('a')
    fetch.wants.shift()
    fetch.send({ type: 'choke', peer: 'a', retryAfter: 2000, reason: 'busy' })
    fetch.pass(1750)
    assert.equal(fetch.wants.length, 0)
    fetch.pass(250)
    assert.equal(fetch.wants.length, 1)
    fetch.answerAll()
    assert.equal(fetch.log.at(-1)?.type, 'done')
  })

  it('takes back what a silent peer owes after 10 s, and still uses what comes late', () => {
    const fetch = createHarness(dag, { expected: 2 })
    fetch.send({ type: 'start' })
    fetch.add('a')
    const want = fetch.wants.shift()!
    fetch.add('b')
    fetch.pass(9750)
    assert.equal(fetch.last('cancel'), undefined)
    fetch.pass(250)
    assert.deepEqual(fetch.last('cancel'), { type: 'cancel', peer: 'a', id: want.id })
    assert.deepEqual(
      fetch.wants.map(({ peer }) => peer),
      ['b'],
    )
    fetch.answer(want)
    assert.equal(fetch.session.progress.blocks, 1)
    fetch.answerAll()
    assert.equal(fetch.log.at(-1)?.type, 'done')
    assert.equal(fetch.session.progress.duplicates, 1)
    assert.equal(fetch.budget.free, MAX_BYTES_IN_FLIGHT)
  })

  it('leaves a slow peer alone while bytes come from it', () => {
    const fetch = createHarness(dag)
    fetch.send({ type: 'start' })
    fetch.add('a')
    for (let i = 0; i < 5; i++) {
      fetch.pass(9000)
      fetch.send({ type: 'heard', peer: 'a' })
    }
    assert.equal(fetch.last('cancel'), undefined)
  })

  it('says after 15 s why nothing comes, and gives up after 60 s', () => {
    const fetch = createHarness(dag)
    fetch.send({ type: 'start' })
    fetch.add('silent')
    fetch.pass(14_750)
    assert.equal(fetch.last('stalled'), undefined)
    fetch.pass(250)
    assert.equal(fetch.last('stalled')?.reason, 'silent is silent')
    fetch.pass(44_750)
    assert.equal(fetch.last('failed'), undefined)
    fetch.pass(250)
    assert.equal(fetch.last('failed')?.error.id, 'E_STALLED')
  })

  it('does not ask a peer for what its `have` says it lacks', () => {
    const fetch = createHarness(dag, { expected: 2 })
    fetch.send({ type: 'start' })
    fetch.add('a')
    // Root, both nodes, then the leaves, of which the first three are missing.
    const bits = Uint8Array.of(0b11000111, 0b1)
    fetch.send({ type: 'have', peer: 'a', root: dag.root, count: 9, bits })
    for (let want = fetch.wants.shift(); want !== undefined; want = fetch.wants.shift()) {
      fetch.answer(want)
    }
    assert.equal(fetch.session.progress.held, 6)
    fetch.add('b')
    assert.deepEqual(asked(fetch.wants[0]!), dag.leaves.slice(0, 3).map(String))
  })

  it('waits for every provider that was named before it says that a block is nowhere', () => {
    const fetch = createHarness(dag, { expected: 2 })
    fetch.send({ type: 'start' })
    fetch.add('a')
    fetch.send({ type: 'dont', peer: 'a', id: fetch.wants.shift()!.id, i: [0] })
    assert.equal(fetch.last('failed'), undefined)
    fetch.send({ type: 'providerGone', peer: 'b', error: gone })
    assert.equal(fetch.last('failed')?.error.id, 'E_BLOCK_NOT_FOUND')
  })

  it('always ends, with every credit given back, whatever peers do', () => {
    const peers = ['a', 'b', 'c']
    const property = fc.property(fc.integer({ min: 1 }), (seed) => {
      const random = xorshift(seed)
      const pick = (n: number): number => random() % n
      const sizes = Array.from({ length: 1 + pick(12) }, () => 1 + pick(3000))
      const dag = createDag(sizes, { perNode: 1 + pick(5), seed })
      const held = new Set([...dag.blocks.keys()].filter(() => pick(4) === 0))
      const fetch = createHarness(dag, { expected: peers.length, held })
      fetch.send({ type: 'start' })
      for (const peer of peers) fetch.add(peer)
      const ended = (): boolean => ['done', 'failed'].includes(fetch.log.at(-1)?.type ?? '')
      for (let step = 0; step < 1000 && !ended(); step++) {
        const peer = peers[pick(3)]!
        const at = fetch.wants.length === 0 ? -1 : pick(fetch.wants.length)
        const [want] = at < 0 ? [] : fetch.wants.splice(at, 1)
        const act = pick(20)
        if (act === 0) fetch.send({ type: 'providerGone', peer, error: gone })
        else if (act === 1) fetch.send({ type: 'choke', peer, retryAfter: pick(9000), reason: '' })
        else if (act === 2)
          fetch.send({
            type: 'have',
            peer,
            root: dag.root,
            count: 8,
            bits: Uint8Array.of(pick(256)),
          })
        else if (act < 5 || want === undefined) fetch.pass(250 * (1 + pick(60)))
        else if (act === 5) fetch.answer(want, Uint8Array.of(1))
        else if (act < 8) fetch.send({ type: 'dont', peer: want.peer, id: want.id, i: [0] })
        else fetch.answer(want)
      }
      assert.ok(ended(), 'the fetch goes on for ever')
      if (fetch.last('done') !== undefined) {
        for (const key of dag.blocks.keys()) assert.ok(held.has(key))
      }
      fetch.session.close()
      assert.equal(fetch.budget.free, MAX_BYTES_IN_FLIGHT)
    })
    fc.assert(property, { numRuns: 150 })
  })
})

describe('credit', () => {
  it('starts with 4 MiB, doubles while goodput grows, up to 16 MiB', () => {
    const credit = createCredit()
    credit.begin(0)
    assert.equal(credit.limit, 4 * MIB)
    credit.received(4 * MIB, 1000)
    assert.equal(credit.limit, 8 * MIB)
    credit.received(8 * MIB, 3000)
    assert.equal(credit.limit, 8 * MIB, 'the same goodput')
    credit.received(8 * MIB, 4000)
    assert.equal(credit.limit, 16 * MIB)
    credit.received(16 * MIB, 4001)
    assert.equal(credit.limit, 16 * MIB)
  })

  it('halves for a silent peer, down to 1 MiB', () => {
    const credit = createCredit()
    for (let i = 0; i < 5; i++) credit.late()
    assert.equal(credit.limit, MIB)
  })
})
