import {
  type CID,
  decodeShard,
  decodeSuite,
  InvalidInputError,
  type MeasuredSuite,
  NotFoundError,
  shortId,
  suiteFrame,
  type SuiteFrame,
  type SuiteItem,
  type SuiteRoot,
} from '../src/index.ts'
import { linksOf } from '../protocol/index.ts'
import type { JobOptions } from './job-options.ts'
import type { Library } from './library.ts'
import type { Store } from './storage/store.ts'

/** A suite that is here, with its shards. */
export interface OpenSuite extends MeasuredSuite {
  readonly id: CID
  readonly root: SuiteRoot
  readonly shards: readonly { readonly index: number; readonly items: readonly SuiteItem[] }[]
  /** What a leaderboard needs to know of it. */
  readonly frame: SuiteFrame
}

export interface Suites {
  /**
   * The suite that a name or a CID means, fetched when it is not here. Rejects with `NotFoundError`
   * `E_UNKNOWN_SUITE` and `InvalidInputError` `E_NOT_A_SUITE`.
   */
  open(reference: string, options: JobOptions): Promise<OpenSuite>
}

export function createSuites({
  store,
  library,
}: {
  readonly store: Store
  readonly library: Library
}): Suites {
  const opened = new Map<string, OpenSuite>()

  const find = async (reference: string): Promise<CID> => {
    const named = await store.data.get(reference)
    return library.resolve(named ?? reference).catch((cause: unknown) => {
      throw new NotFoundError('E_UNKNOWN_SUITE', `no data set is called '${reference}'`, {
        expected: 'the name or the CID of a suite',
        actual: reference,
        fix: 'deltaswarm data ls shows what is known',
        cause,
      })
    })
  }

  return {
    async open(reference, options) {
      const id = await find(reference)
      const known = opened.get(id.toString())
      if (known !== undefined) return known
      await library.ensure(id, options)
      const bytes = await blockOf(store, id)
      if (linksOf(bytes, id).kind !== 'suite') {
        throw new InvalidInputError('E_NOT_A_SUITE', `${shortId(id)} is not a suite`, {
          expected: 'a suite',
          actual: linksOf(bytes, id).kind,
          fix: 'deltaswarm data ls',
        })
      }
      const root = decodeSuite(bytes)
      const shards = []
      for (const [index, cid] of root.shards.entries()) {
        shards.push({ index, items: decodeShard(await blockOf(store, cid), root).items })
      }
      const frame = suiteFrame(
        id,
        root,
        shards.map(({ items }) => ({ version: 1, kind: 'shard', items })),
      )
      const suite = { id, root, shards, frame }
      opened.set(id.toString(), suite)
      return suite
    },
  }
}

async function blockOf(store: Store, cid: CID): Promise<Uint8Array> {
  const bytes = await store.blocks.get(cid)
  if (bytes !== undefined) return bytes
  throw new NotFoundError('E_BLOCK_MISSING', `block ${shortId(cid)} is not here`, {
    expected: cid.toString(),
    actual: 'nothing',
    fix: `deltaswarm fetch ${cid.toString()}`,
  })
}
