import { type CID, cidOf, encodeCanonical, sha256 } from '../canonical.ts'
import { InvalidInputError } from '../errors.ts'
import { checkItem, encodeShard, encodeSuite, MAX_SHARD_BYTES } from './suite-format.ts'
import {
  SHARD_ITEMS,
  type SuiteImage,
  type SuiteItem,
  type SuiteRoot,
  type SuiteShard,
  type SuiteTask,
  targetsOf,
} from './suite.ts'

/** What a suite is made of; `items` point into `tasks` by position. */
export interface SuiteContents {
  readonly name: string
  readonly modality: SuiteRoot['modality']
  readonly metric: SuiteRoot['metric']
  readonly tasks: readonly SuiteTask[]
  readonly items: readonly SuiteItem[]
  readonly image?: SuiteImage
  readonly licence: string
}

export interface BuiltSuite {
  readonly root: SuiteRoot
  readonly rootCid: CID
  /** The shards in order and then the root. */
  readonly blocks: readonly { readonly cid: CID; readonly bytes: Uint8Array }[]
}

/**
 * Orders items by the sha256 of their canonical bytes and cuts shards of at most 32 items and 1
 * MiB, so that the same items give the same suite id in whatever order they come, and every shard
 * is a sample of the whole. Throws `InvalidInputError` `E_DUPLICATE_ITEM` for two equal items,
 * which would count one observation twice, `E_EMPTY_SUITE`, and `MalformedError` `E_BAD_SUITE` for
 * items that do not fit.
 */
export function buildSuite(contents: SuiteContents): BuiltSuite {
  const { items, ...head } = contents
  for (const [i, item] of items.entries()) checkItem(item, `items[${i}]`, head)
  const hashed = hashItems(items)
  const shards = cutShards(hashed).map((shard) => {
    const bytes = encodeShard(shard, head)
    return { cid: cidOf(bytes), bytes }
  })
  const root: SuiteRoot = {
    version: 1,
    kind: 'suite',
    ...head,
    items: items.length,
    targets: items.reduce((sum, item) => sum + targetsOf(item), 0),
    shards: shards.map(({ cid }) => cid),
  }
  const bytes = encodeSuite(root)
  const rootCid = cidOf(bytes)
  return { root, rootCid, blocks: [...shards, { cid: rootCid, bytes }] }
}

/**
 * Splits items into `parts` disjoint lists by hash, with equal counts of every task in each list;
 * of a task whose count does not divide, the remainder is left out. Independent of the order of
 * `items`. Throws `InvalidInputError` as `buildSuite` does, and `E_EMPTY_SUITE` when a task has
 * fewer items than parts.
 */
export function splitSuites(items: readonly SuiteItem[], parts: number): SuiteItem[][] {
  const lists: SuiteItem[][] = Array.from({ length: parts }, () => [])
  const byTask = Map.groupBy(hashItems(items), ({ item }) => item.task)
  for (const [task, members] of [...byTask].toSorted(([a], [b]) => a - b)) {
    const each = Math.floor(members.length / parts)
    if (each === 0) throw emptySuite(`task ${task} has ${members.length} items for ${parts} suites`)
    for (const [part, list] of lists.entries()) {
      for (let i = 0; i < each; i++) list.push(members[i * parts + part]!.item)
    }
  }
  return lists
}

interface HashedItem {
  readonly item: SuiteItem
  readonly bytes: number
  readonly hash: string
}

function hashItems(items: readonly SuiteItem[]): HashedItem[] {
  if (items.length === 0) throw emptySuite('there are no items')
  const hashed = items.map((item) => {
    const bytes = encodeCanonical(item)
    return { item, bytes: bytes.length, hash: Buffer.from(sha256(bytes)).toString('hex') }
  })
  const sorted = hashed.toSorted((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0))
  for (const [i, { hash, item }] of sorted.entries()) {
    if (hash !== sorted[i + 1]?.hash) continue
    throw new InvalidInputError('E_DUPLICATE_ITEM', `an item of task ${item.task} comes twice`, {
      expected: 'items that differ',
      actual: hash,
      fix: 'leave one of the two out',
    })
  }
  return sorted
}

/** Room for the map around the items: version, kind and the list's head. */
const SHARD_FRAME_BYTES = 64

function cutShards(items: readonly HashedItem[]): SuiteShard[] {
  const shards: SuiteItem[][] = []
  let bytes = Infinity
  for (const { item, bytes: size } of items) {
    let shard = shards.at(-1)
    if (
      shard === undefined ||
      shard.length === SHARD_ITEMS ||
      bytes + size > MAX_SHARD_BYTES - SHARD_FRAME_BYTES
    ) {
      shards.push((shard = []))
      bytes = 0
    }
    shard.push(item)
    bytes += size
  }
  return shards.map((items) => ({ version: 1, kind: 'shard', items }))
}

function emptySuite(actual: string): InvalidInputError {
  return new InvalidInputError('E_EMPTY_SUITE', `a suite needs items: ${actual}`, {
    expected: 'at least one item, of every task',
    actual,
  })
}
