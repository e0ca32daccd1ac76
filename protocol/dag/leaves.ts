import { Uint8ArrayList } from 'uint8arraylist'
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
 * Cuts sections into leaves as their bytes come. Leaves hold one section *name* each and begin where
 * a long section begins, so that two deltas which differ only in their scales share the leaves of
 * their signs. At most two leaves per section name are in memory.
 */
export interface LeafPacker {
  /** More bytes of a section of the current tensor. */
  append(section: string, bytes: Uint8Array): Promise<void>
  /** Ends the current tensor: its sections by name. */
  endTensor(): Promise<Map<string, FinishedSection>>
  /** Gives a section its place; short ones go behind the last short one of their name. */
  place(name: string, section: FinishedSection): Promise<PlacedSection>
  /** Stores the leaves that short sections share and begins new ones. */
  closeShared(): Promise<void>
}

export function createLeafPacker(blockstore: Blockstore): LeafPacker {
  const current = new Map<string, { bytes: Uint8ArrayList; leaves: Leaf[]; length: number }>()
  const shared = new Map<string, { bytes: Uint8ArrayList; leaf: Leaf }>()

  async function store(list: Uint8ArrayList, leaf: Leaf = { length: 0 }): Promise<Leaf> {
    const bytes = list.subarray()
    leaf.cid = cidOf(bytes, RAW)
    leaf.length = bytes.length
    if (!(await blockstore.has(leaf.cid))) await blockstore.put(leaf.cid, bytes)
    return leaf
  }

  return {
    async append(name, bytes) {
      const section = current.get(name) ?? { bytes: new Uint8ArrayList(), leaves: [], length: 0 }
      current.set(name, section)
      section.length += bytes.length
      for (let from = 0; from < bytes.length;) {
        const room = MAX_LEAF_BYTES - section.bytes.byteLength
        const piece = new Uint8Array(bytes.subarray(from, from + room))
        section.bytes.append(piece)
        from += piece.length
        if (section.bytes.byteLength < MAX_LEAF_BYTES) continue
        section.leaves.push(await store(section.bytes))
        section.bytes = new Uint8ArrayList()
      }
    },

    async endTensor() {
      const finished = new Map<string, FinishedSection>()
      for (const [name, { bytes, leaves, length }] of current) {
        if (length === 0) continue
        if (length < OWN_LEAF_BYTES) {
          finished.set(name, { short: bytes.subarray() })
          continue
        }
        if (bytes.byteLength > 0) leaves.push(await store(bytes))
        finished.set(name, { leaves, length })
      }
      current.clear()
      return finished
    },

    async place(name, section) {
      if ('leaves' in section) return { ...section, offset: 0 }
      const { length } = section.short
      let open = shared.get(name)
      if (open !== undefined && open.bytes.byteLength + length > MAX_LEAF_BYTES) {
        await store(open.bytes, open.leaf)
        open = undefined
      }
      open ??= { bytes: new Uint8ArrayList(), leaf: { length: 0 } }
      shared.set(name, open)
      const offset = open.bytes.byteLength
      open.bytes.append(section.short)
      return { leaves: [open.leaf], offset, length }
    },

    async closeShared() {
      for (const { bytes, leaf } of shared.values()) await store(bytes, leaf)
      shared.clear()
    },
  }
}
