import { type CID, type Recipe, shortId } from '../../src/index.ts'
import type { SwarmNode } from '../node.ts'

/** What people call things, by CID; the short id where nobody gave a name. */
export interface Names {
  of(cid: CID | string): string
}

/**
 * The names of everything announced or named here. A plain delta as a variant carries the delta's
 * name, and an unedited base is called `base`.
 */
export async function readNames(
  node: SwarmNode,
  variants: ReadonlyMap<string, Recipe>,
): Promise<Names> {
  const names = new Map<string, string>()
  for (const { cid, name } of await node.library.list()) names.set(cid.toString(), name)
  for (const [name, cid] of await node.store.names.all()) names.set(cid, name)
  for (const [id, { base, root }] of variants) {
    names.set(base.toString(), 'base')
    if ('weights' in root && root.weights.equals(base)) names.set(id, 'base')
    const name = 'delta' in root ? names.get(root.delta.toString()) : undefined
    if (name !== undefined && name !== '') names.set(id, name)
  }
  return { of: (cid) => names.get(cid.toString()) || shortId(cid) }
}
