import { noise } from '@chainsafe/libp2p-noise'
import type { Libp2p } from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { type Blockstore, createMemoryBlockstore } from '../../protocol/block.ts'
import type { Clock } from '../../protocol/clock.ts'
import type { Link } from '../../protocol/dag/links.ts'
import { createExchange, type Exchange } from '../../protocol/exchange/exchange.ts'
import { yamuxOptions } from '../../protocol/exchange/streams.ts'
import { type CID, cidOf, decodeCanonical, encodeCanonical, RAW } from '../../src/index.ts'

/** Real time, as a node has it. */
export const realClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}

export interface Dag {
  readonly root: CID
  readonly nodes: readonly CID[]
  readonly leaves: readonly CID[]
  readonly blocks: ReadonlyMap<string, { readonly cid: CID; readonly bytes: Uint8Array }>
}

/** A root over index nodes over raw leaves with seeded bytes: the shape of a delta. */
export function createDag(leafBytes: readonly number[], { perNode = 4, seed = 1 } = {}): Dag {
  const blocks = new Map<string, { cid: CID; bytes: Uint8Array }>()
  const add = (bytes: Uint8Array, codec?: typeof RAW): CID => {
    const cid = cidOf(bytes, codec)
    blocks.set(cid.toString(), { cid, bytes })
    return cid
  }
  const random = xorshift(seed)
  const leaves: CID[] = []
  const nodes: CID[] = []
  for (let from = 0; from < leafBytes.length; from += perNode) {
    const links = leafBytes.slice(from, from + perNode).map((size) => {
      const cid = add(fill(size, random), RAW)
      leaves.push(cid)
      return [cid, size]
    })
    nodes.push(add(encodeCanonical({ links })))
  }
  const root = add(encodeCanonical({ links: nodes.map((cid) => [cid, null]) }))
  return { root, nodes, leaves, blocks }
}

/** The links of the nodes that `createDag` makes. */
export function linksOfDag(_: CID, bytes: Uint8Array): Link[] {
  const { links } = decodeCanonical(bytes) as { links: [CID, number | null][] }
  return links.map(([cid, size]) =>
    size === null ? { cid, kind: 'index' } : { cid, kind: 'leaf', size },
  )
}

export async function storeWith(dag: Dag, missing: readonly CID[] = []): Promise<Blockstore> {
  const store = createMemoryBlockstore()
  const without = new Set(missing.map(String))
  for (const [key, { cid, bytes }] of dag.blocks) if (!without.has(key)) await store.put(cid, bytes)
  return store
}

export interface TestPeer extends AsyncDisposable {
  readonly libp2p: Libp2p
  readonly exchange: Exchange
  readonly blockstore: Blockstore
}

let addresses = 0

/** A libp2p node in this process with a running exchange; `dial` connects it to others. */
export async function createPeer(
  blockstore: Blockstore,
  { clock = realClock, dial = [] as readonly TestPeer[] } = {},
): Promise<TestPeer> {
  addresses += 1
  const libp2p = await createLibp2p({
    addresses: { listen: [`/memory/exchange-${addresses}`] },
    transports: [memory()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux(yamuxOptions)],
    connectionManager: { inboundConnectionThreshold: 1000 },
  })
  const exchange = createExchange({ libp2p, blockstore, links: linksOfDag, clock })
  await exchange.start()
  for (const other of dial) await libp2p.dial(other.libp2p.getMultiaddrs())
  return {
    libp2p,
    exchange,
    blockstore,
    async [Symbol.asyncDispose]() {
      await exchange.stop()
      await libp2p.stop()
    },
  }
}

/** Numbers in [0, 2³²) from a seed. */
export function xorshift(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state
  }
}

function fill(size: number, random: () => number): Uint8Array {
  const bytes = new Uint8Array(size)
  const words = new Uint32Array(bytes.buffer, 0, size >> 2)
  for (let i = 0; i < words.length; i++) words[i] = random()
  if (words.length === 0) bytes.fill(random())
  return bytes
}
