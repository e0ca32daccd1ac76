import { type CID, cidOf, MAX_LEAF_BYTES, RAW } from '../../src/index.ts'
import type { Blockstore } from '../block.ts'

/** A section of this length starts its own leaf; smaller ones of one name share leaves. */
export const OWN_LEAF_BYTES = 64 * 1024

/** A leaf gets its CID when it is full. */
export interface Leaf {
  cid?: CID
  length: number
}

/** Where a section lies: in consecutive leaves, from `offset` in the first. */
export interface PlacedSection {
  readonly leaves: readonly Leaf[]
  readonly offset: number
  readonly length: number
}

/** A section whose bytes have all come: in leaves of its own, or short enough to share one. */
export type FinishedSection =
  { readonly leaves: readonly Leaf[]; readonly length: number } | { readonly short: Uint8Array }

/**
 * Cuts sections into leaves as their bytes come. Leaves hold one section *name* each and begin
 * where a long section begins, so that two deltas which differ only in their scales share the
 * leaves of their signs. A leaf is stored while the next ones fill: whoever appends waits for the
 * one before, and hears of its failure. At most two leaves per section name and the one on its way
 * are in memory.
 */
export interface LeafPacker {
  /** More bytes of a section of the current tensor. */
  append(section: string, bytes: Uint8Array): Promise<void>
  /** Ends the current tensor: its sections by name. */
  endTensor(): Promise<Map<string, FinishedSection>>
  /** Gives a section its place; short ones go behind the last short one of their name. */
  place(name: string, section: FinishedSection): Promise<PlacedSection>
  /** Stores the leaves that short sections share, begins new ones, and waits for all so far. */
  closeShared(): Promise<void>
  /** Resolves when nothing is on its way any more, stored or failed. */
  settle(): Promise<void>
}

export function createLeafPacker(blockstore: Blockstore): LeafPacker {
  const current = new Map<string, { filling: Filling; leaves: Leaf[]; length: number }>()
  const shared = new Map<string, { filling: Filling; leaf: Leaf }>()
  let storing = Promise.resolve()

  async function store({ bytes, length }: Filling, leaf: Leaf = { length: 0 }): Promise<Leaf> {
    const whole = bytes.subarray(0, length)
    const cid = cidOf(whole, RAW)
    leaf.cid = cid
    leaf.length = length
    await storing
    storing = putNew(blockstore, cid, whole)
    // Whoever stores next hears of a failure; nobody may come to do so.
    storing.catch(() => undefined)
    return leaf
  }

  return {
    async append(name, bytes) {
      const section = current.get(name) ?? { filling: emptyLeaf(), leaves: [], length: 0 }
      current.set(name, section)
      section.length += bytes.length
      for (let from = 0; from < bytes.length;) {
        const room = MAX_LEAF_BYTES - section.filling.length
        const piece = bytes.subarray(from, from + room)
        fill(section.filling, piece)
        from += piece.length
        if (section.filling.length < MAX_LEAF_BYTES) continue
        const full = section.filling
        section.filling = emptyLeaf()
        section.leaves.push(await store(full))
      }
    },

    async endTensor() {
      const finished = new Map<string, FinishedSection>()
      for (const [name, { filling, leaves, length }] of current) {
        if (length === 0) continue
        if (length < OWN_LEAF_BYTES) {
          finished.set(name, { short: filling.bytes.subarray(0, length) })
          continue
        }
        if (filling.length > 0) leaves.push(await store(filling))
        finished.set(name, { leaves, length })
      }
      current.clear()
      return finished
    },

    async place(name, section) {
      if ('leaves' in section) return { ...section, offset: 0 }
      const { length } = section.short
      let open = shared.get(name)
      if (open !== undefined && open.filling.length + length > MAX_LEAF_BYTES) {
        await store(open.filling, open.leaf)
        open = undefined
      }
      open ??= { filling: emptyLeaf(), leaf: { length: 0 } }
      shared.set(name, open)
      const offset = open.filling.length
      fill(open.filling, section.short)
      return { leaves: [open.leaf], offset, length }
    },

    async closeShared() {
      for (const { filling, leaf } of shared.values()) await store(filling, leaf)
      shared.clear()
      await storing
    },

    settle: () => storing.catch(() => undefined),
  }
}

/** The bytes of a leaf so far, and room for more. */
interface Filling {
  bytes: Uint8Array
  length: number
}

function emptyLeaf(): Filling {
  return { bytes: new Uint8Array(0), length: 0 }
}

/**
 * Room doubles, so that a short section takes little of it and a leaf is copied once on average.
 */
function fill(leaf: Filling, piece: Uint8Array): void {
  const length = leaf.length + piece.length
  if (length > leaf.bytes.length) {
    const grown = new Uint8Array(Math.min(MAX_LEAF_BYTES, Math.max(length, 2 * leaf.bytes.length)))
    grown.set(leaf.bytes.subarray(0, leaf.length))
    leaf.bytes = grown
  }
  leaf.bytes.set(piece, leaf.length)
  leaf.length = length
}

async function putNew(blockstore: Blockstore, cid: CID, bytes: Uint8Array): Promise<void> {
  if (!(await blockstore.has(cid))) await blockstore.put(cid, bytes)
}
