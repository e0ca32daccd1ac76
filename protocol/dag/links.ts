import {
  asCid,
  type CID,
  decodeCanonical,
  decodeIndex,
  decodeRecipe,
  decodeRoot,
  decodeSuite,
  leavesOf,
  MalformedError,
  MAX_INDEX_BYTES,
  MAX_LEAF_BYTES,
  MAX_RECIPE_BYTES,
  MAX_ROOT_BYTES,
  MAX_SHARD_BYTES,
  MAX_SUITE_BYTES,
  RAW,
} from '../../src/index.ts'
import type { Blockstore } from '../block.ts'
import { readBlock } from './read-block.ts'

/**
 * The blocks that travel, and below which each may stand: recipe → delta → index → leaf, suite →
 * shard.
 */
export type BlockKind = keyof typeof maxBlockBytes

/** Largest block of each kind, known from the link before a byte of it is fetched. */
export const maxBlockBytes = {
  recipe: MAX_RECIPE_BYTES,
  delta: MAX_ROOT_BYTES,
  index: MAX_INDEX_BYTES,
  leaf: MAX_LEAF_BYTES,
  suite: MAX_SUITE_BYTES,
  shard: MAX_SHARD_BYTES,
} as const

export interface Link {
  readonly cid: CID
  readonly kind: BlockKind
  /** Exact size, where the parent knows it. */
  readonly size?: number
}

export interface LinkedNode {
  readonly kind: BlockKind
  /** In the node's order; one block may be named more than once. */
  readonly links: readonly Link[]
}

/**
 * What a verified block is and which blocks belong below it. A delta's base and parents are not
 * among them: they are known by name and fetched only when somebody asks. Throws `MalformedError`
 * `E_BAD_NODE` for a block of no known kind, or as the kind's own decoder does.
 */
export function linksOf(bytes: Uint8Array, cid: CID): LinkedNode {
  if (cid.code === RAW) return { kind: 'leaf', links: [] }
  const kind = kindOf(decodeCanonical(bytes))
  return { kind, links: links[kind](bytes) }
}

const links: Readonly<Record<BlockKind, (bytes: Uint8Array) => Link[]>> = {
  recipe: (bytes) => leavesOf(decodeRecipe(bytes)).deltas.map((cid) => ({ cid, kind: 'delta' })),
  delta: (bytes) => decodeRoot(bytes).index.map((cid) => ({ cid, kind: 'index' })),
  index: (bytes) => decodeIndex(bytes).leaves.map(([cid, size]) => ({ cid, kind: 'leaf', size })),
  leaf: () => [],
  suite: (bytes) => decodeSuite(bytes).shards.map((cid) => ({ cid, kind: 'shard' })),
  shard: () => [],
}

/** By the fields that only this kind has; the kind's decoder checks the rest. */
function kindOf(value: unknown): BlockKind {
  if (typeof value === 'object' && value !== null && asCid(value) === undefined) {
    const { kind } = value as { kind?: unknown }
    if (kind === 'delta' || kind === 'suite' || kind === 'shard') return kind
    if (kind === undefined && 'leaves' in value) return 'index'
    if (kind === undefined && 'algorithm' in value) return 'recipe'
  }
  throw new MalformedError('E_BAD_NODE', 'the block is neither a delta, a recipe nor a suite', {
    expected: 'a root or node of deltaswarm',
    actual: 'other dag-cbor',
  })
}

export interface DagSize {
  /** Bytes of the root and of everything below it except other deltas, each block counted once. */
  readonly ownBytes: number
  /** The same with the deltas that a recipe names. */
  readonly closureBytes: number
}

/**
 * Adds up a DAG that is here. Reads every block but leaves, whose sizes their index tells. Rejects
 * with `NotFoundError` `E_BLOCK_MISSING` when one is absent.
 */
export async function measureDag(blockstore: Blockstore, root: CID): Promise<DagSize> {
  const size = { ownBytes: 0, closureBytes: 0 }
  for await (const { bytes, own } of blocksBelow(blockstore, root)) {
    size.closureBytes += bytes
    if (own) size.ownBytes += bytes
  }
  return size
}

export interface SizedBlock {
  readonly cid: CID
  readonly bytes: number
  /** Not a part of another delta that the root names. */
  readonly own: boolean
}

/** The root and every block below it, each once; reads and rejects as `measureDag` does. */
export async function* blocksBelow(blockstore: Blockstore, root: CID): AsyncGenerator<SizedBlock> {
  const seen = new Set<string>()
  async function* visit(
    link: Pick<Link, 'cid' | 'size'>,
    own: boolean,
  ): AsyncGenerator<SizedBlock> {
    const { cid, size } = link
    if (seen.has(cid.toString())) return
    seen.add(cid.toString())
    const block = size === undefined ? await readBlock(blockstore, cid) : undefined
    yield { cid, bytes: size ?? block!.length, own }
    if (block === undefined) return
    for (const child of linksOf(block, cid).links)
      yield* visit(child, own && child.kind !== 'delta')
  }
  yield* visit({ cid: root }, true)
}
