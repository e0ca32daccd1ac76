import { linksOf, peerIdOf } from '../protocol/index.ts'
import { type CID, decodeRecipe, decodeRoot } from '../src/index.ts'
import type { Store } from './storage/store.ts'

/** What people call something, and who announced it. */
export interface Listed {
  readonly cid: CID
  readonly kind: 'delta' | 'recipe' | 'suite'
  readonly name: string
  /** Peer ids of its announcers, the one whose words are shown first. */
  readonly authors: readonly string[]
  readonly base?: CID
  readonly bytes: number
  readonly closureBytes: number
  readonly summary: string
}

/** What a root says of itself; `kind` is `undefined` for a block that is none of the three. */
interface Facts {
  readonly kind?: Listed['kind']
  readonly base?: CID
  /** Peer id of whoever made a delta. */
  readonly author?: string
}

/**
 * Lists everything announced, one entry per root, in the order of names. An announcement claims, a
 * root that is here knows: claims of another kind or base are passed over, and of several names the
 * one counts that the delta's own author gave, else the one with the lowest number.
 */
export function createAnnounced({
  records,
  blocks,
}: Pick<Store, 'records' | 'blocks'>): () => Promise<readonly Listed[]> {
  const known = new Map<string, Facts>()

  const factsOf = async (root: CID): Promise<Facts | undefined> => {
    const key = root.toString()
    const before = known.get(key)
    if (before !== undefined) return before
    const bytes = await blocks.get(root)
    if (bytes === undefined) return undefined
    const facts = readFacts(bytes, root)
    known.set(key, facts)
    return facts
  }

  return async () => {
    const claims = (await records.announcements()).map(({ id, record }) => ({
      ...record.body,
      id: id.toString(),
      seq: record.seq,
      author: peerIdOf(record.author),
    }))
    const listed: Listed[] = []
    for (const group of Map.groupBy(claims, ({ root }) => root.toString()).values()) {
      const { root } = group[0]!
      const facts = await factsOf(root)
      const byMaker = ({ author }: { author: string }): number => Number(author !== facts?.author)
      const [first, ...others] = group
        .filter((claim) => facts === undefined || isTrue(claim, facts))
        .toSorted((a, b) => byMaker(a) - byMaker(b) || a.seq - b.seq || (a.id < b.id ? -1 : 1))
      if (first === undefined) continue
      const { kind, name, base = facts?.base, bytes, closureBytes = bytes, summary } = first
      const authors = [...new Set([first, ...others].map(({ author }) => author))]
      listed.push({
        cid: root,
        kind,
        name,
        authors,
        ...(base === undefined ? {} : { base }),
        bytes,
        closureBytes,
        summary,
      })
    }
    return listed.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  }
}

function isTrue(claim: Pick<Listed, 'kind' | 'base'>, { kind, base }: Facts): boolean {
  if (claim.kind !== kind) return false
  return claim.base === undefined || base === undefined || claim.base.equals(base)
}

function readFacts(bytes: Uint8Array, cid: CID): Facts {
  try {
    const { kind } = linksOf(bytes, cid)
    if (kind === 'suite') return { kind }
    if (kind === 'recipe') return { kind, base: decodeRecipe(bytes).base }
    if (kind !== 'delta') return {}
    const { base, author } = decodeRoot(bytes)
    return { kind, base, author }
  } catch {
    return {}
  }
}
