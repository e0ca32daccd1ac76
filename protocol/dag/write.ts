import {
  type CID,
  cidOf,
  compareNames,
  type DeltaRoot,
  elementsOf,
  type EncodedTensor,
  encodeCanonical,
  encodeIndex,
  encodeRoot,
  type IndexNode,
  InvalidInputError,
  LimitError,
  MAX_INDEX_BYTES,
  MAX_INDEX_LEAVES,
  type SectionSink,
} from '../../src/index.ts'
import type { Blockstore } from '../block.ts'
import { createLeafPacker, type FinishedSection, type Leaf, type PlacedSection } from './leaves.ts'

/** What the author says about a delta; the rest of the root is counted. */
export type DeltaFacts = Omit<
  DeltaRoot,
  'version' | 'kind' | 'codecs' | 'tensors' | 'elements' | 'bytes' | 'index'
>

export interface WrittenDelta {
  readonly cid: CID
  readonly root: DeltaRoot
  /** Bytes of all its blocks, each counted once. */
  readonly ownBytes: number
  /** Bytes of each of its blocks, by CID. */
  readonly sizes: ReadonlyMap<string, number>
}

/**
 * Stores a delta while its tensors are encoded, one after the other in the order of `compareNames`:
 * leaves as soon as they are full, index nodes when they are, the root at the end. The same tensors
 * and facts give the same blocks everywhere. After a rejection the writer must not be used again.
 */
export interface DeltaWriter {
  /**
   * Runs `encode` with a sink for the tensor's sections and keeps what it returns. Rejects with
   * `InvalidInputError` `E_TENSOR_ORDER` when the name does not come after the last one's, and with
   * `LimitError` `E_DELTA_SIZE` when the tensor does not fit an index node.
   */
  add(encode: (sink: SectionSink) => Promise<EncodedTensor>): Promise<void>
  /** Stores the last index node and the root. Rejects as `encodeRoot` throws. */
  finish(facts: DeltaFacts): Promise<WrittenDelta>
  /** After a failure: resolves when no block is on its way to the blockstore any more. */
  settle(): Promise<void>
}

export function createDeltaWriter(blockstore: Blockstore): DeltaWriter {
  const packer = createLeafPacker(blockstore)
  const sizes = new Map<string, number>()
  const codecs = new Map<string, number>()
  const totals = { tensors: 0, elements: 0, bytes: 0 }
  const index: CID[] = []
  let node = emptyNode()
  let lastName: string | undefined

  async function store(bytes: Uint8Array): Promise<CID> {
    const cid = cidOf(bytes)
    await blockstore.put(cid, bytes)
    sizes.set(cid.toString(), bytes.length)
    return cid
  }

  /** Leaves that short sections share end here too: a node and its leaves stand for themselves. */
  async function closeNode(): Promise<void> {
    await packer.closeShared()
    if (node.entries.length > 0) index.push(await store(encodeIndex(indexNode(node))))
    for (const { cid, length } of node.leaves) sizes.set(cid!.toString(), length)
    node = emptyNode()
  }

  return {
    async add(encode) {
      const tensor = await encode((section, bytes) => packer.append(section, bytes))
      const { name, shape } = tensor.spec
      if (lastName !== undefined && compareNames(lastName, name) >= 0) {
        throw new InvalidInputError(
          'E_TENSOR_ORDER',
          `tensor '${name}' comes after '${lastName}'`,
          {
            expected: 'tensors in the order of their names, each once',
          },
        )
      }
      lastName = name
      const finished = await packer.endTensor()
      const most = bounds(tensor, finished)
      if (
        node.bytes + most.bytes > MAX_INDEX_BYTES ||
        node.leaves.size + most.leaves > MAX_INDEX_LEAVES
      ) {
        await closeNode()
      }
      if (most.leaves > MAX_INDEX_LEAVES) {
        throw tooLarge(`${most.leaves} leaves for '${name}'`, `${MAX_INDEX_LEAVES} leaves`)
      }
      node.bytes += most.bytes
      const sections = new Map<string, PlacedSection>()
      for (const [section, bytes] of finished) {
        const placed = await packer.place(section, bytes)
        sections.set(section, placed)
        for (const leaf of placed.leaves) node.leaves.add(leaf)
        totals.bytes += placed.length
      }
      node.entries.push({ tensor, sections })
      totals.tensors++
      totals.elements += elementsOf(shape)
      codecs.set(tensor.codec, (codecs.get(tensor.codec) ?? 0) + 1)
    },

    async finish(facts) {
      await closeNode()
      const counted = { ...totals, codecs: Object.fromEntries(codecs), index }
      const root: DeltaRoot = { version: 1, kind: 'delta', ...facts, ...counted }
      const cid = await store(encodeRoot(root))
      const ownBytes = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0)
      return { cid, root, ownBytes, sizes }
    },

    settle: () => packer.settle(),
  }
}

interface Entry {
  readonly tensor: EncodedTensor
  readonly sections: ReadonlyMap<string, PlacedSection>
}

/** An index node in the making, with an upper bound of its encoded size. */
interface OpenNode {
  readonly entries: Entry[]
  /** In order of first use; those of one section are consecutive. */
  readonly leaves: Set<Leaf>
  bytes: number
}

/** dag-cbor heads and keys of the node. */
const NODE_BYTES = 64

/** A link takes 41 bytes, a length up to 5, their list 1. */
const LEAF_ENTRY_BYTES = 47

function emptyNode(): OpenNode {
  return { entries: [], leaves: new Set(), bytes: NODE_BYTES }
}

/** The most that a tensor can add to a node: new leaves, and bytes with the longest positions. */
function bounds(tensor: EncodedTensor, finished: ReadonlyMap<string, FinishedSection>) {
  const leaves = [...finished.values()].flatMap((s) => ('leaves' in s ? s.leaves : [{ length: 0 }]))
  const longest = [...finished.keys()].map((name) => [name, LONGEST_SECTION] as const)
  const entry = encodeCanonical(indexedTensor(tensor, longest))
  return { leaves: leaves.length, bytes: entry.length + leaves.length * LEAF_ENTRY_BYTES }
}

const LONGEST_SECTION = [0xffff, 2 ** 21, 2 ** 40] as const

function indexNode({ entries, leaves }: OpenNode): IndexNode {
  const positions = new Map([...leaves].map((leaf, position) => [leaf, position]))
  return {
    version: 1,
    tensors: entries.map(({ tensor, sections }) => {
      const placed = [...sections].map(([name, { leaves, offset, length }]) => {
        return [name, [positions.get(leaves[0]!)!, offset, length]] as const
      })
      return indexedTensor(tensor, placed)
    }),
    leaves: [...leaves].map(({ cid, length }) => [cid!, length]),
  }
}

function indexedTensor(
  { spec, codec, parameters, sha256 }: EncodedTensor,
  sections: readonly (readonly [string, readonly [number, number, number]])[],
) {
  const { name, dtype, shape } = spec
  return { name, dtype, shape, codec, parameters, sections: Object.fromEntries(sections), sha256 }
}

function tooLarge(actual: string, most: string): LimitError {
  return new LimitError('E_DELTA_SIZE', `the delta does not fit its format: ${actual}`, {
    expected: `at most ${most}`,
    actual,
    fix: 'use a codec with smaller sections, or publish fewer tensors',
  })
}
