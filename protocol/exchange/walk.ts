import { type CID, LimitError, RAW } from '../../src/index.ts'
import type { Blockstore } from '../block.ts'
import type { Link } from '../dag/links.ts'
import { MAX_BLOCK_BYTES, MAX_DAG_BLOCKS, MAX_HAVE_BLOCKS } from '../limits.ts'

/**
 * The links of a verified dag-cbor block, in their order. Throws `MalformedError` when the bytes
 * are of no format that it knows.
 */
export type LinksOf = (cid: CID, bytes: Uint8Array) => Iterable<Link>

/**
 * Where a block stands: `looking` in our store, `needed` from a peer, `asked` of one, `admitting`
 * while the caller judges it, `storing`, `held`.
 */
export type BlockState = 'looking' | 'needed' | 'asked' | 'admitting' | 'storing' | 'held'

export interface WalkedBlock {
  readonly key: string
  readonly cid: CID
  readonly leaf: boolean
  /** As stated by the block that names it. */
  readonly size: number | undefined
  readonly state: BlockState
}

/** The blocks of one DAG as far as they are known, and where each stands. */
export interface Walk {
  readonly root: WalkedBlock
  readonly size: number
  readonly counts: Readonly<Record<BlockState, number>>
  get(cid: CID): WalkedBlock | undefined
  move(block: WalkedBlock, state: BlockState): void
  /** Takes in a node's links and returns the blocks that are new. */
  expand(node: WalkedBlock, bytes: Uint8Array): WalkedBlock[]
  /** Nodes before leaves, because they name the rest; then in the order of the DAG. */
  needed(): Generator<WalkedBlock, void, undefined>
  /** The blocks that a peer's `have` says it lacks, as far as we know the DAG. */
  lacking(count: number, bits: Uint8Array): Generator<WalkedBlock, void, undefined>
}

/** What a block may take until we know better. */
export function expectedBytes(block: WalkedBlock): number {
  return Math.min(block.size ?? MAX_BLOCK_BYTES, MAX_BLOCK_BYTES)
}

/** Throws `LimitError` `E_DAG_SIZE` when more than `MAX_DAG_BLOCKS` blocks turn up. */
export function createWalk(cid: CID, links: LinksOf): Walk {
  type Mutable = { -readonly [K in keyof WalkedBlock]: WalkedBlock[K] }
  const blocks = new Map<string, WalkedBlock>()
  const children = new Map<WalkedBlock, readonly WalkedBlock[]>()
  const needed = { nodes: new Set<WalkedBlock>(), leaves: new Set<WalkedBlock>() }
  const counts = { looking: 0, needed: 0, asked: 0, admitting: 0, storing: 0, held: 0 }
  const root = add({ cid })

  function add({ cid, size }: Pick<Link, 'cid' | 'size'>): WalkedBlock {
    if (blocks.size === MAX_DAG_BLOCKS) {
      throw new LimitError('E_DAG_SIZE', 'a root names too many blocks', {
        expected: `at most ${MAX_DAG_BLOCKS} blocks`,
        actual: 'more',
      })
    }
    const key = cid.toString()
    const block: WalkedBlock = { key, cid, leaf: isLeaf(cid), size, state: 'looking' }
    blocks.set(key, block)
    counts.looking += 1
    return block
  }

  return {
    root,
    counts,
    get size() {
      return blocks.size
    },
    get: (cid) => blocks.get(cid.toString()),
    move(block, state) {
      const pool = block.leaf ? needed.leaves : needed.nodes
      counts[block.state] -= 1
      counts[state] += 1
      pool.delete(block)
      if (state === 'needed') pool.add(block)
      ;(block as Mutable).state = state
    },
    expand(node, bytes) {
      const fresh: WalkedBlock[] = []
      const all: WalkedBlock[] = []
      for (const link of links(node.cid, bytes)) {
        let block = blocks.get(link.cid.toString())
        if (block === undefined) fresh.push((block = add(link)))
        all.push(block)
      }
      children.set(node, all)
      return fresh
    },
    *needed() {
      yield* needed.nodes
      yield* needed.leaves
    },
    *lacking(count, bits) {
      const order = new Set([root])
      let i = 0
      let complete = true
      for (const block of order) {
        if (i === count) return
        const held = isSet(bits, i)
        i += 1
        if (!held) yield block
        if (!held || block.leaf || !complete) continue
        const next = children.get(block)
        // Where the blocks below later nodes stand is unknown until this node is.
        complete = next !== undefined
        for (const child of next ?? []) order.add(child)
      }
    },
  }
}

/**
 * One bit per block, 1 where the store holds it, lowest bit first: the root, then breadth first the
 * links of every held node, each block once. Blocks below a missing node are unknown and left out.
 */
export async function heldBits(
  root: CID,
  blockstore: Blockstore,
  links: LinksOf,
): Promise<{ readonly count: number; readonly bits: Uint8Array }> {
  const order = new Map([[root.toString(), root]])
  const held: boolean[] = []
  for (const cid of order.values()) {
    if (held.length === MAX_HAVE_BLOCKS) break
    if (isLeaf(cid)) {
      held.push(await blockstore.has(cid))
      continue
    }
    const bytes = await blockstore.get(cid)
    held.push(bytes !== undefined)
    if (bytes === undefined) continue
    for (const link of links(cid, bytes)) {
      if (order.size < MAX_HAVE_BLOCKS) order.set(link.cid.toString(), link.cid)
    }
  }
  const bits = new Uint8Array(Math.ceil(held.length / 8))
  held.forEach((yes, i) => {
    if (yes) bits[i >> 3]! |= 1 << (i & 7)
  })
  return { count: held.length, bits }
}

export function isSet(bits: Uint8Array, i: number): boolean {
  return ((bits[i >> 3] ?? 0) & (1 << (i & 7))) !== 0
}

function isLeaf(cid: CID): boolean {
  return cid.code === RAW
}
