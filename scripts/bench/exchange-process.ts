import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noise } from '@chainsafe/libp2p-noise'
import type { Libp2p, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { type Blockstore, createMemoryBlockstore } from '../../protocol/block.ts'
import type { Clock } from '../../protocol/clock.ts'
import { createExchange } from '../../protocol/exchange/exchange.ts'
import { sendAll } from '../../protocol/exchange/send-all.ts'
import { yamuxOptions } from '../../protocol/exchange/streams.ts'
import type { Link } from '../../protocol/dag/links.ts'
import {
  type CID,
  cidOf,
  decodeCanonical,
  encodeCanonical,
  parseCid,
  RAW,
} from '../../src/index.ts'

/** One side of the exchange benchmark; started by `exchange.ts`, talks to it by IPC. */

export type Mode = 'bare' | 'null' | 'durable'

export interface Served {
  readonly address: string
  readonly root: string
}

export interface Fetched {
  readonly seconds: number
  readonly bytes: number
  readonly cpuSeconds: number
  /** Before the fetch, and at most. */
  readonly startRssMib: number
  readonly maxRssMib: number
}

/** Opens a block store in a folder; `flush` resolves when all that was put is durable. */
export type OpenBlockstore = (folder: string) => Promise<Blockstore & { flush?(): Promise<void> }>

const BARE = '/deltaswarm/bench/bare/1.0.0'
const MIB = 2 ** 20
/** As in a delta: 1024 leaves of a node. */
const LEAVES_PER_NODE = 1024

const clock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}

async function serve(mib: number): Promise<void> {
  const blockstore = createMemoryBlockstore()
  const leaves: Uint8Array[] = []
  const nodes: CID[] = []
  for (let from = 0; from < mib; from += LEAVES_PER_NODE) {
    const links: [CID, number][] = []
    for (let i = from; i < Math.min(mib, from + LEAVES_PER_NODE); i++) {
      const bytes = seededBytes(i)
      const cid = cidOf(bytes, RAW)
      leaves.push(bytes)
      links.push([cid, bytes.length])
      await blockstore.put(cid, bytes)
    }
    nodes.push(await putNode(blockstore, links))
  }
  const root = await putNode(
    blockstore,
    nodes.map((cid) => [cid, null]),
  )

  const libp2p = await createNode(['/ip4/127.0.0.1/tcp/0'])
  await createExchange({ libp2p, blockstore, links, clock }).start()
  await libp2p.handle(BARE, (stream) => serveBare(stream, leaves))
  const served: Served = { address: libp2p.getMultiaddrs()[0]!.toString(), root: root.toString() }
  process.send?.(served)
}

async function fetchOnce(
  mode: Mode,
  address: string,
  root: CID,
  storeModule: string,
  storeName: string,
): Promise<void> {
  const libp2p = await createNode([])
  const connection = await libp2p.dial(multiaddr(address))
  const folder = await mkdtemp(join(tmpdir(), 'deltaswarm-bench-'))
  let blockstore: Awaited<ReturnType<OpenBlockstore>> = nullStore
  if (mode === 'durable') {
    const module = (await import(storeModule)) as Record<string, OpenBlockstore>
    blockstore = await module[storeName]!(folder)
  }
  const exchange = createExchange({ libp2p, blockstore, links, clock })
  await exchange.start()

  const rssBefore = process.memoryUsage.rss()
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  let bytes: number
  if (mode === 'bare') bytes = await hashAll(await connection.newStream(BARE))
  else bytes = (await exchange.fetch(root, { providers: [connection.remotePeer] })).bytes
  await blockstore.flush?.()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  const fetched: Fetched = {
    seconds,
    bytes,
    cpuSeconds: (user + system) / 1e6,
    startRssMib: rssBefore / MIB,
    maxRssMib: process.resourceUsage().maxRSS / 1024,
  }
  await exchange.stop()
  await rm(folder, { recursive: true })
  await libp2p.stop()
  process.send?.(fetched)
  process.disconnect?.()
}

/** Has nothing and keeps nothing. */
const nullStore: Blockstore = {
  has: async () => false,
  get: async () => undefined,
  put: async () => {},
}

function createNode(listen: string[]): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux(yamuxOptions)],
  })
}

/** The baseline: what a stream can carry when nobody frames, verifies or stores. */
async function serveBare(stream: Stream, chunks: readonly Uint8Array[]): Promise<void> {
  async function* all(): AsyncGenerator<Uint8Array> {
    yield* chunks
  }
  await sendAll(stream, all(), clock)
  await stream.close()
}

async function hashAll(stream: Stream): Promise<number> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of stream) {
    for (const part of chunk instanceof Uint8Array ? [chunk] : chunk) hash.update(part)
    bytes += chunk.byteLength
  }
  hash.digest()
  await stream.close()
  return bytes
}

async function putNode(
  blockstore: Blockstore,
  links: readonly (readonly [CID, number | null])[],
): Promise<CID> {
  const bytes = encodeCanonical({ links })
  const cid = cidOf(bytes)
  await blockstore.put(cid, bytes)
  return cid
}

function links(_: CID, bytes: Uint8Array): Link[] {
  const { links } = decodeCanonical(bytes) as { links: [CID, number | null][] }
  return links.map(([cid, size]) =>
    size === null ? { cid, kind: 'index' } : { cid, kind: 'leaf', size },
  )
}

/** 1 MiB that no layer below can compress or share. */
function seededBytes(seed: number): Uint8Array {
  const bytes = new Uint8Array(MIB)
  const words = new Uint32Array(bytes.buffer)
  let state = (seed + 1) * 2654435761
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return bytes
}

const [role, ...rest] = process.argv.slice(2)
if (role === 'serve') await serve(Number(rest[0]))
else if (role === 'fetch') {
  const [mode, address, root, storeModule, storeName] = rest
  await fetchOnce(mode as Mode, address!, parseCid(root!), storeModule!, storeName!)
}
