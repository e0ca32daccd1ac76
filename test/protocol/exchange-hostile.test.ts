import assert from 'node:assert/strict'
import type { Stream } from '@libp2p/interface'
import { messageStreamToDuplex } from '@libp2p/utils'
import { createMemoryBlockstore } from '../../protocol/block.ts'
import type { Clock } from '../../protocol/clock.ts'
import {
  decodeFrames,
  encodeFrame,
  type Request,
  type Response,
} from '../../protocol/exchange/frames.ts'
import {
  MAX_BLOCK_BUFFER_BYTES,
  MAX_QUEUED_BLOCKS,
  MAX_WANT_BLOCKS,
  SEND_STALLED_MS,
} from '../../protocol/limits.ts'
import { BLOCKS_PROTOCOL } from '../../protocol/exchange/streams.ts'
import {
  createDag,
  createPeer,
  type Dag,
  realClock,
  storeWith,
  type TestPeer,
} from './exchange-fixture.ts'
import { createFakeClock } from './fake-clock.ts'
import { eventually } from './record-peers.ts'

const MIB = 2 ** 20

/** Frames over a bare stream, as a peer of another make would send them. */
function speak<In extends Request | Response>(stream: Stream, side: 'request' | 'response') {
  stream.maxReadBufferLength = MAX_BLOCK_BUFFER_BYTES
  const frames = decodeFrames(side)(messageStreamToDuplex(stream).source) as AsyncGenerator<In>
  return {
    stream,
    send(frame: Request | Response) {
      for (const part of encodeFrame(frame)) stream.send(part)
    },
    async next(): Promise<In> {
      const { value, done } = await frames.next()
      assert.ok(done !== true, 'the stream ended')
      return value
    },
  }
}

type Client = ReturnType<typeof speak<Response>>
type Server = ReturnType<typeof speak<Request>>

/** A peer that runs the exchange and a bare client of it. */
async function withClient(
  dag: Dag,
  test: (client: Client, peer: TestPeer) => Promise<void>,
  clock = realClock,
) {
  await using peer = await createPeer(await storeWith(dag), { clock })
  await using other = await createPeer(createMemoryBlockstore(), { dial: [peer] })
  const stream = await other.libp2p.dialProtocol(peer.libp2p.peerId, BLOCKS_PROTOCOL)
  await test(speak<Response>(stream, 'response'), peer)
}

/** A peer that runs the exchange, and one whose answers `serve` makes up. */
async function withServer(
  serve: (server: Server) => Promise<void>,
  test: (client: TestPeer, server: TestPeer) => Promise<void>,
  clock?: Clock,
) {
  await using server = await createPeer(createMemoryBlockstore())
  await server.exchange.stop()
  await server.libp2p.handle(BLOCKS_PROTOCOL, (stream) => {
    serve(speak<Request>(stream, 'request')).catch(() => {})
  })
  const options = clock === undefined ? {} : { clock }
  await using client = await createPeer(createMemoryBlockstore(), { dial: [server], ...options })
  await test(client, server)
}

describe('exchange against other peers', function () {
  this.timeout(60_000)

  const dag = createDag(
    Array.from({ length: 24 }, () => MIB),
    { perNode: 24 },
  )
  const want = (id: number, blocks: Dag['leaves'], root = dag.root): Request => {
    return { type: 'want', id, root, blocks, deadline: 60_000 }
  }

  it('answers blocks in the order in which they were wanted, and dont for others', () =>
    withClient(dag, async (client) => {
      const { leaves } = createDag([5], { seed: 9 })
      client.send(want(7, [dag.leaves[3]!, leaves[0]!, dag.leaves[0]!]))
      const first = await client.next()
      assert.ok(first.type === 'block' && first.id === 7 && first.i === 0)
      assert.equal(Buffer.compare(first.bytes, dag.blocks.get(String(dag.leaves[3]))!.bytes), 0)
      assert.deepEqual(await client.next(), { type: 'dont', id: 7, i: [1] })
      const last = await client.next()
      assert.ok(last.type === 'block' && last.i === 2)
    }))

  it('resets the stream of a peer that breaks the framing, and bans it', () =>
    withClient(dag, async (client, peer) => {
      client.stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x07))
      await assert.rejects(client.next(), { name: 'StreamResetError' })
      assert.ok(peer.exchange.isBanned(peer.libp2p.getPeers()[0]!))
    }))

  it('bans a server that announces a block above 1 MiB', () =>
    withServer(
      async (server) => {
        await server.next()
        // {i: 0, id: 1, len: 2³¹, type: 'block'}
        const header = Buffer.from(
          'a461690062696401636c656e1a80000000647479706565626c6f636b',
          'hex',
        )
        server.stream.send(Buffer.concat([Uint8Array.of(header.length), header]))
      },
      async (client, { libp2p }) => {
        await assert.rejects(client.exchange.fetch(dag.root, { providers: [libp2p.peerId] }), {
          id: 'E_NO_PROVIDER',
          message: /E_BAD_FRAME/,
        })
        assert.ok(client.exchange.isBanned(libp2p.peerId))
      },
    ))

  it('sends little more of a want that is cancelled', () =>
    withClient(dag, async (client) => {
      client.stream.pause()
      client.send(want(1, dag.leaves))
      client.send({ type: 'cancel', id: 1 })
      client.send(want(2, dag.leaves.slice(0, 1)))
      await new Promise((resolve) => setTimeout(resolve, 50))
      client.stream.resume()
      const ids: number[] = []
      for (let frame = await client.next(); ; frame = await client.next()) {
        assert.ok(frame.type === 'block')
        ids.push(frame.id)
        if (frame.id === 2) break
      }
      assert.ok(ids.length < 10, `${ids.length} blocks came`)
    }))

  it('waits for a slow reader without a reset and without reading ahead', () =>
    withClient(dag, async (client, peer) => {
      let reads = 0
      const get = peer.blockstore.get.bind(peer.blockstore)
      peer.blockstore.get = (cid) => {
        reads += 1
        return get(cid)
      }
      client.stream.pause()
      client.send(want(1, dag.leaves))
      await eventually('a block is read', () => reads > 0)
      await new Promise((resolve) => setTimeout(resolve, 200))
      // The window of a new stream is 256 KiB: one block on its way, two in hand.
      assert.ok(reads <= 4, `${reads} blocks were read for a peer that reads none`)
      client.stream.resume()
      for (const i of dag.leaves.keys()) {
        const frame = await client.next()
        assert.ok(frame.type === 'block' && frame.i === i)
      }
    }))

  it('gives up on a peer that wants blocks and never reads', async () => {
    const clock = createFakeClock()
    const test = async ({ stream, send }: Client, { libp2p, exchange }: TestPeer) => {
      const [connection] = libp2p.getConnections()
      const serving = () => connection!.streams.find(({ protocol }) => protocol === BLOCKS_PROTOCOL)
      stream.pause()
      send(want(1, dag.leaves))
      await eventually('a block is on its way', () => serving()?.writableNeedsDrain === true)
      await clock.pass(SEND_STALLED_MS - 250)
      assert.equal(serving()?.status, 'open')
      await clock.pass(500)
      await eventually('the stream is reset', () => serving() === undefined)
      await eventually('the peer learns of it', () => stream.status === 'reset')
      assert.ok(!exchange.isBanned(connection!.remotePeer), 'slow is not hostile')
    }
    await withClient(dag, test, clock)
  })

  it('keeps its write buffer small while a reader takes a little at a time', () =>
    withClient(dag, async (client, peer) => {
      const { stream } = client
      // Every `resume` grants a new window, whatever is still unread.
      stream.maxReadBufferLength = 64 * MIB
      stream.addEventListener('message', () => {
        stream.pause()
        setTimeout(() => {
          if (stream.status === 'open') stream.resume()
        }, 1)
      })
      client.send(want(1, dag.leaves))
      const [connection] = peer.libp2p.getConnections()
      let most = 0
      for (const i of dag.leaves.keys()) {
        const frame = await client.next()
        assert.ok(frame.type === 'block' && frame.i === i)
        for (const { writeBufferLength } of connection!.streams) {
          most = Math.max(most, writeBufferLength)
        }
      }
      assert.ok(most < 1.1 * MIB, `${most} bytes were buffered`)
    }))

  it('chokes a peer above the limits, and resets it when it goes on', () =>
    withClient(dag, async (client, peer) => {
      const many = Array.from({ length: MAX_WANT_BLOCKS }, () => dag.leaves[0]!)
      client.stream.pause()
      for (let id = 0; id <= MAX_QUEUED_BLOCKS / MAX_WANT_BLOCKS; id++) client.send(want(id, many))
      client.stream.resume()
      let frame = await client.next()
      while (frame.type === 'block') frame = await client.next()
      assert.ok(frame.type === 'choke' && frame.retryAfter > 0)
      assert.equal(frame.reason, 'too many blocks are queued')
      const flood = async (): Promise<never> => {
        for (let id = 10; id < 300; id++) client.send({ type: 'have?', root: dag.leaves[0]! })
        for (;;) await client.next()
      }
      await assert.rejects(flood(), { name: 'StreamResetError' })
      assert.ok(peer.exchange.isBanned(peer.libp2p.getPeers()[0]!))
    }))

  it('asks a peer that chokes again when it said, and not before', async () => {
    const small = createDag([10, 20])
    const asked: number[] = []
    await withServer(
      async (server) => {
        for (;;) {
          const request = await server.next()
          if (request.type !== 'want') continue
          asked.push(Date.now())
          if (asked.length === 1) {
            server.send({ type: 'choke', retryAfter: 400, reason: 'busy' })
            continue
          }
          request.blocks.forEach((cid, i) => {
            const { bytes } = small.blocks.get(cid.toString())!
            server.send({ type: 'block', id: request.id, i, bytes })
          })
        }
      },
      async (client, { libp2p }) => {
        const report = await client.exchange.fetch(small.root, { providers: [libp2p.peerId] })
        assert.equal(report.blocks, 4)
        assert.ok(asked[1]! - asked[0]! >= 390, `asked again after ${asked[1]! - asked[0]!} ms`)
      },
    )
  })

  it('says why a fetch from a silent peer stalls, and gives up', async () => {
    const clock = createFakeClock()
    let wanted = 0
    let cancelled = 0
    await withServer(
      async (server) => {
        for (;;) {
          const { type } = await server.next()
          if (type === 'want') wanted += 1
          if (type === 'cancel') cancelled += 1
        }
      },
      async (client, { libp2p }) => {
        const stalls: string[] = []
        const fetch = client.exchange.fetch(dag.root, {
          providers: [libp2p.peerId],
          onProgress: ({ stalled }) => {
            if (stalled !== undefined) stalls.push(stalled)
          },
        })
        const rejects = assert.rejects(fetch, { name: 'NetworkError', id: 'E_STALLED' })
        await eventually('the root is wanted', () => wanted > 0)
        await clock.pass(15_000)
        assert.deepEqual(stalls, [`${libp2p.peerId.toString()} is silent`])
        await clock.pass(45_000)
        await rejects
        await eventually('the want is cancelled', () => cancelled > 0)
      },
      clock,
    )
  })
})
