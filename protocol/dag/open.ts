import {
  checkContents,
  type CID,
  decodeIndex,
  decodeRoot,
  type DeltaSource,
  type EncodedTensor,
  type IndexedTensor,
  type IndexNode,
  LimitError,
  MalformedError,
  MAX_INDEX_BYTES,
  MAX_ROOT_BYTES,
  NotFoundError,
  type Sections,
  toEncoded,
} from '../../src/index.ts'
import { type Blockstore, verifyBlock } from '../block.ts'
import { MAX_DELTA_BYTES } from '../limits.ts'
import { createLeafCache, type LeafCache } from './leaf-cache.ts'
import { readBlock } from './read-block.ts'

/**
 * Opens a delta whose root and index nodes are here; leaves are read when a section is. Everything
 * is checked before it is believed: hashes, limits, that sections fill their leaves exactly, and
 * that the nodes hold what the root says. Rejects with `NotFoundError` `E_BLOCK_MISSING`,
 * `LimitError` `E_BLOCK_SIZE` or `E_DELTA_LIMIT`, `VerificationError` `E_BLOCK_HASH`,
 * `MalformedError` `E_BAD_MANIFEST` or `E_NOT_CANONICAL`. A section's `read` rejects with
 * `MalformedError` `E_BAD_SECTION` outside the section and `E_BAD_LEAF` when a leaf has another
 * length than stated.
 */
export async function openDelta(blockstore: Blockstore, cid: CID): Promise<DeltaSource> {
  const root = decodeRoot(await readVerified(blockstore, cid, MAX_ROOT_BYTES))
  if (root.bytes > MAX_DELTA_BYTES) {
    throw new LimitError('E_DELTA_LIMIT', `a delta of ${root.bytes} bytes is too large`, {
      expected: `at most ${MAX_DELTA_BYTES} bytes`,
      actual: root.bytes,
    })
  }
  const nodes: IndexNode[] = []
  for (const link of root.index) {
    nodes.push(decodeIndex(await readVerified(blockstore, link, MAX_INDEX_BYTES)))
  }
  checkContents(root, nodes)

  const leaves = createLeafCache(blockstore)
  const tensors = new Map<string, EncodedTensor>()
  const sections = new Map<string, Sections>()
  for (const node of nodes) {
    const starts = leafStarts(node)
    for (const tensor of node.tensors) {
      tensors.set(tensor.name, toEncoded(tensor))
      sections.set(tensor.name, sectionsOf(tensor, node, starts, leaves))
    }
  }
  return {
    root,
    tensors,
    sections(tensor) {
      const found = sections.get(tensor)
      if (found !== undefined) return found
      throw new NotFoundError('E_UNKNOWN_TENSOR', `the delta does not change '${tensor}'`)
    },
  }
}

async function readVerified(blockstore: Blockstore, cid: CID, maxBytes: number) {
  const bytes = await readBlock(blockstore, cid, maxBytes)
  verifyBlock(cid, bytes)
  return bytes
}

/** Where each leaf begins when those of a node are laid end to end, and where the last ends. */
function leafStarts({ leaves }: IndexNode): Float64Array {
  const starts = new Float64Array(leaves.length + 1)
  for (const [i, [, length]] of leaves.entries()) starts[i + 1] = starts[i]! + length
  return starts
}

/** A section is an interval of the node's leaves laid end to end. */
function sectionsOf(
  tensor: IndexedTensor,
  node: IndexNode,
  starts: Float64Array,
  leaves: LeafCache,
): Sections {
  const intervals = new Map(
    Object.entries(tensor.sections).map(([name, [leaf, offset, length]]) => {
      return [name, { start: starts[leaf]! + offset, length }]
    }),
  )
  return {
    bytes: (section) => intervals.get(section)?.length ?? 0,

    async read(section, offset, length) {
      const interval = intervals.get(section) ?? { start: 0, length: 0 }
      if (offset < 0 || length < 0 || offset + length > interval.length) {
        throw new MalformedError(
          'E_BAD_SECTION',
          `section '${section}' of '${tensor.name}' is read outside its bytes`,
          { expected: `0 … ${interval.length}`, actual: `${offset} … ${offset + length}` },
        )
      }
      const from = interval.start + offset
      const out = new Uint8Array(length)
      let filled = 0
      for (let i = leafAt(starts, from); filled < length; i++) {
        const bytes = await leaves.read(...node.leaves[i]!)
        const skip = from + filled - starts[i]!
        const piece = bytes.subarray(skip, skip + length - filled)
        out.set(piece, filled)
        filled += piece.length
      }
      return out
    },
  }
}

/** The leaf that holds byte `position`: the last that begins at or before it. */
function leafAt(starts: Float64Array, position: number): number {
  let [low, high] = [0, starts.length - 1]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (starts[middle]! <= position) low = middle
    else high = middle
  }
  return low
}
