import { linksOf, measureDag, openDelta } from '../protocol/index.ts'
import {
  type CID,
  decodeRecipe,
  decodeRoot,
  type DeltaSource,
  encodeRecipe,
  InvalidInputError,
  leavesOf,
  NotFoundError,
  parseCid,
  type Recipe,
  recipeId,
  recipeOf,
  shortId,
  type Sources,
} from '../src/index.ts'
import { createAnnounced, type Listed } from './announced.ts'
import type { Bases } from './bases.ts'
import type { Engine } from './engine.ts'
import type { JobOptions } from './job-options.ts'
import type { Network } from './network/network.ts'
import type { Store } from './storage/store.ts'
import { createVerification } from './verification.ts'

/** Finds what a reference means and brings here what it needs. */
export interface Library {
  readonly sources: Sources
  /**
   * A CID, a local name, `name` or `@peer/name` of an announcement, or a short id of six characters
   * or more. Rejects with `NotFoundError` `E_REF` or `InvalidInputError` `E_REF_AMBIGUOUS`.
   */
  resolve(reference: string): Promise<CID>
  /** Everything announced, one entry per root, in the order of names. */
  list(): Promise<readonly Listed[]>
  /** What has a name here and was announced by nobody, in the order of names. */
  local(): Promise<readonly Listed[]>
  /** What it is called on this node. */
  localName(cid: CID): Promise<string | undefined>
  /** A local or announced name, else the short id. */
  nameOf(cid: CID): Promise<string>
  /**
   * The recipe that a delta, a recipe or the weights id of a known base denotes, with its blocks
   * here.
   */
  recipe(cid: CID, options: JobOptions): Promise<Recipe>
  /** Stores a recipe and resolves to the variant's id. */
  keep(recipe: Recipe): Promise<CID>
  /** The identity recipes of a base and of everything announced over it, by variant id. */
  variants(): Promise<ReadonlyMap<string, Recipe>>
  /** Whether everything below a root is here. */
  has(root: CID): Promise<boolean>
  /** Fetches what is missing below a root; resolves to the bytes that came over the network. */
  ensure(root: CID, options: JobOptions): Promise<number>
}

export interface LibraryComponents {
  readonly store: Store
  readonly bases: Bases
  readonly engine: Engine
  /** Connects to peers where that is allowed. */
  readonly connect: () => Promise<Network | undefined>
}

/** Shortest prefix of a short id that is looked up. */
const MIN_SHORT = 6

export function createLibrary({ store, bases, engine, connect }: LibraryComponents): Library {
  const { blocks, names } = store

  const list = createAnnounced(store)

  const resolve = async (reference: string): Promise<CID> => {
    if (/^baf[a-z2-7]{50,}$/.test(reference)) return parseCid(reference)
    const local = await names.get(reference)
    if (local !== undefined) return parseCid(local)
    const all = await list()
    const [, peer, name] = /^@([^/]+)\/(.+)$/.exec(reference) ?? [undefined, undefined, reference]
    const named = all.filter(
      (item) =>
        item.name === name &&
        (peer === undefined || item.authors.some((id) => id === peer || id.endsWith(peer))),
    )
    const found = named.length > 0 ? named : await byShortId(reference, all)
    if (found.length === 1) return found[0]!.cid
    if (found.length > 1) {
      throw new InvalidInputError('E_REF_AMBIGUOUS', `'${reference}' means more than one thing`, {
        expected: 'one of these',
        actual: found.map(({ cid, authors }) => `${cid.toString()} by ${authors[0] ?? 'us'}`),
        fix: 'give the CID, or @peer/name',
      })
    }
    throw new NotFoundError('E_REF', `nothing here is called '${reference}'`, {
      expected: 'a CID, a name, @peer/name or a short id',
      actual: reference,
      fix: 'deltaswarm ls shows what is known',
    })
  }

  const byShortId = async (
    reference: string,
    all: readonly Listed[],
  ): Promise<readonly Pick<Listed, 'cid' | 'authors'>[]> => {
    if (reference.length < MIN_SHORT) return []
    const local = [...(await names.all()).values()].map((text) => ({
      cid: parseCid(text),
      authors: [],
    }))
    const found = [...all, ...local].filter(({ cid }) =>
      cid.toString().slice(7).startsWith(reference),
    )
    return [...new Map(found.map((item) => [item.cid.toString(), item])).values()]
  }

  const ensure = async (root: CID, options: JobOptions): Promise<number> => {
    if (await isComplete(root)) return 0
    const online = await connect()
    if (online === undefined) {
      throw new NotFoundError('E_NOT_HERE', `${shortId(root)} is not complete here`, {
        expected: 'all of its blocks',
        actual: 'some are missing and no network is up',
        fix: `deltaswarm fetch ${root.toString()}`,
      })
    }
    if (online.peers().length === 0) await online.settled(options)
    const authors = (await list()).find(({ cid }) => cid.equals(root))?.authors ?? []
    const report = await online.fetch(root, { ...options, prefer: authors })
    await blocks.flush()
    return report.bytes
  }

  /** Whether every block below `root` is here; reads nodes, not leaves. */
  const isComplete = async (root: CID): Promise<boolean> => {
    const bytes = await blocks.get(root)
    if (bytes === undefined) return false
    const open = [...linksOf(bytes, root).links]
    // Nodes may share what is below them, and each is read once.
    const seen = new Set<string>()
    for (let link = open.pop(); link !== undefined; link = open.pop()) {
      const key = link.cid.toString()
      if (seen.has(key)) continue
      seen.add(key)
      if (link.kind === 'leaf' || link.kind === 'shard') {
        if (!(await blocks.has(link.cid))) return false
        continue
      }
      const node = await blocks.get(link.cid)
      if (node === undefined) return false
      open.push(...linksOf(node, link.cid).links)
    }
    return true
  }

  const verification = createVerification({ marks: store.verified, bases, engine })
  const opened = new Map<string, Promise<DeltaSource>>()
  const sources: Sources = {
    async delta(id) {
      const key = id.toString()
      const opening = opened.get(key) ?? openDelta(blocks, id)
      opened.set(key, opening)
      opening.catch(() => opened.delete(key))
      const source = await opening
      await verification.check(id, source)
      return source
    },
    weights: async (id) => (await bases.open(id)).folder.checkpoint,
  }

  const identity = (base: CID, root: Recipe['root']): Recipe => recipeOf({ base, root }, engine)

  /**
   * The recipe in a block; an announcement may call anything a recipe, so others are passed over.
   */
  const recipeIn = async (cid: CID): Promise<Recipe | undefined> => {
    const bytes = await blocks.get(cid)
    if (bytes === undefined) return undefined
    try {
      return linksOf(bytes, cid).kind === 'recipe' ? decodeRecipe(bytes) : undefined
    } catch {
      return undefined
    }
  }

  const localName = async (cid: CID): Promise<string | undefined> => {
    const text = cid.toString()
    for (const [name, value] of await names.all()) if (value === text) return name
    return undefined
  }

  const keep = async (recipe: Recipe): Promise<CID> => {
    const id = recipeId(recipe)
    await blocks.put(id, encodeRecipe(recipe))
    return id
  }

  return {
    sources,
    resolve,
    list,
    keep,
    ensure,
    has: isComplete,
    async local() {
      const announced = new Set((await list()).map(({ cid }) => cid.toString()))
      const found: Listed[] = []
      for (const [name, text] of await names.all()) {
        const cid = parseCid(text)
        if (announced.has(text) || !(await isComplete(cid))) continue
        const bytes = (await blocks.get(cid))!
        const { kind } = linksOf(bytes, cid)
        if (kind !== 'delta' && kind !== 'recipe') continue
        const { ownBytes, closureBytes } = await measureDag(blocks, cid)
        const { base } = kind === 'delta' ? decodeRoot(bytes) : decodeRecipe(bytes)
        const summary = 'kept here, not announced'
        found.push({ cid, kind, name, authors: [], base, bytes: ownBytes, closureBytes, summary })
      }
      return found
    },
    localName,
    async nameOf(cid) {
      return (
        (await localName(cid)) ??
        (await list()).find((item) => item.cid.equals(cid))?.name ??
        shortId(cid)
      )
    },
    async recipe(cid, options) {
      if ((await bases.known()).has(cid.toString())) return identity(cid, { weights: cid })
      await ensure(cid, options)
      const bytes = await blocks.get(cid)
      const kind = bytes === undefined ? undefined : linksOf(bytes, cid).kind
      if (kind === 'recipe') return decodeRecipe(bytes!)
      if (kind === 'delta') return identity(decodeRoot(bytes!).base, { delta: cid })
      throw new InvalidInputError('E_NOT_A_VARIANT', `${shortId(cid)} denotes no weights`, {
        expected: 'a delta or a recipe',
        actual: kind ?? 'nothing',
        fix: 'deltaswarm ls',
      })
    },
    async variants() {
      const found = new Map<string, Recipe>()
      const add = (recipe: Recipe): void => void found.set(recipeId(recipe).toString(), recipe)
      for (const id of (await bases.known()).keys()) {
        add(identity(parseCid(id), { weights: parseCid(id) }))
      }
      for (const { kind, cid, base } of await list()) {
        if (kind === 'delta' && base !== undefined) add(identity(base, { delta: cid }))
        const recipe = kind === 'recipe' ? await recipeIn(cid) : undefined
        if (recipe !== undefined) add(recipe)
      }
      for (const text of (await names.all()).values()) {
        const recipe = await recipeIn(parseCid(text))
        if (recipe !== undefined) add(recipe)
      }
      return found
    },
  }
}

/** Bytes of a variant's own blocks and of all that a peer with only the base must fetch. */
export async function sizesOf(
  store: Store,
  root: CID,
): Promise<{ ownBytes: number; closureBytes: number }> {
  return measureDag(store.blocks, root)
}

/** Whether a recipe names only what peers can fetch: deltas, and the base itself. */
export function isShareable(recipe: Recipe): boolean {
  return leavesOf(recipe).weights.every((id) => id.equals(recipe.base))
}
