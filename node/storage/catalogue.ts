import { rm } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { Level } from 'level'
import { EnvironmentError, VerificationError } from '../../src/index.ts'
import type { Journal } from './journal.ts'

/**
 * The level index over the journal. LevelDB checks nothing when it reads and can lose or change data
 * silently, so it is never the truth: every value carries a checksum, the number of entries is
 * compared at the start, and anything that does not fit leads to a rebuild from the journal.
 */
export interface Catalogue {
  get(key: string): Promise<string | undefined>
  /** Keys and values whose key starts with `prefix`, in the order of the keys. */
  list(prefix: string): AsyncIterable<readonly [key: string, value: string]>
  /** Journal entries first, then this: moves the mark up to which the index knows the journal. */
  apply(changes: readonly Change[], journalLength: number): Promise<void>
  /** Why the index was rebuilt at this start, if it was. */
  readonly rebuilt: string | undefined
  close(): Promise<void>
}

export type Change =
  | { readonly key: string; readonly value: string }
  | { readonly key: string; readonly value?: undefined }

/** What a journal entry means for the index; pure, so that a rebuild gives the same index. */
export type Indexer = (payload: Uint8Array, at: number) => readonly Change[]

const MARK = '!mark'

/** Changes written together while the journal is replayed. */
const BATCH = 1000

/** An open LevelDB; while it is open, its lock keeps other processes off the store. */
export interface LockedIndex {
  readonly level: Level<string, string>
  /** Why its contents are worthless, if they are. */
  readonly damage: string | undefined
}

/** Opens the index and takes the store's lock; throws `EnvironmentError` `E_STORE_LOCKED`. */
export async function openIndex(folder: string): Promise<LockedIndex> {
  const level = new Level<string, string>(folder, { keyEncoding: 'utf8', valueEncoding: 'utf8' })
  try {
    await level.open()
    return { level, damage: undefined }
  } catch (cause) {
    if (isLocked(cause)) throw locked(folder, cause)
    // A missing or damaged manifest: the files hold nothing that the journal does not.
    await rm(folder, { recursive: true, force: true })
    await level.open()
    return { level, damage: 'the index could not be opened' }
  }
}

/** Brings the index up to the journal's end, from the beginning if it cannot be trusted. */
export async function openCatalogue(
  { level, damage: unreadable }: LockedIndex,
  journal: Journal,
  indexer: Indexer,
): Promise<Catalogue> {
  let damage = unreadable
  const mark = await readMark(level).catch(() => undefined)
  damage ??= mark === undefined ? undefined : await firstDamage(level, mark, journal)
  let entries = 0
  let from = 0
  if (damage === undefined && mark !== undefined) {
    entries = mark.entries
    from = mark.length
  } else {
    await level.clear()
  }

  const apply = async (changes: readonly Change[], length: number): Promise<void> => {
    // The last change of a key wins, and the count follows what was there before.
    const last = new Map(changes.map((change) => [change.key, change.value]))
    const keys = [...last.keys()]
    const before = await level.getMany(keys)
    const batch = level.batch()
    keys.forEach((key, i) => {
      const value = last.get(key)
      if (value === undefined) batch.del(key)
      else batch.put(key, sealed(key, value))
      entries += (value === undefined ? 0 : 1) - (before[i] === undefined ? 0 : 1)
    })
    batch.put(MARK, sealed(MARK, JSON.stringify({ length, entries })))
    await batch.write()
  }

  let pending: Change[] = []
  let reached = from
  for await (const { at, payload } of journal.replay(from)) {
    pending.push(...indexer(payload, at))
    reached = at
    if (pending.length >= BATCH) {
      // The mark stays at the last entry, which is applied again after a crash: changes are idempotent.
      await apply(pending, reached)
      pending = []
    }
  }
  if (pending.length > 0 || mark === undefined || damage !== undefined) {
    await apply(pending, journal.length)
  }

  return {
    rebuilt: damage,
    async get(key) {
      const value = await level.get(key)
      return value === undefined ? undefined : opened(key, value)
    },
    async *list(prefix) {
      for await (const [key, value] of level.iterator({ gte: prefix, lt: `${prefix}\uffff` })) {
        yield [key, opened(key, value)] as const
      }
    },
    apply,
    close: () => level.close(),
  }
}

/** The first reason not to trust the index, or `undefined`. */
async function firstDamage(
  level: Level<string, string>,
  mark: { length: number; entries: number },
  journal: Journal,
): Promise<string | undefined> {
  if (mark.length > journal.length) return 'the index knows more than the journal'
  let found = 0
  try {
    for await (const [key, value] of level.iterator()) {
      opened(key, value)
      if (key !== MARK) found++
    }
  } catch {
    return 'a value of the index was damaged'
  }
  return found === mark.entries ? undefined : `the index has ${found} of ${mark.entries} entries`
}

async function readMark(
  level: Level<string, string>,
): Promise<{ length: number; entries: number } | undefined> {
  const value = await level.get(MARK)
  return value === undefined
    ? undefined
    : (JSON.parse(opened(MARK, value)) as { length: number; entries: number })
}

function sealed(key: string, value: string): string {
  return `${checksum(key, value)} ${value}`
}

function opened(key: string, stored: string): string {
  const value = stored.slice(9)
  if (stored.slice(0, 8) === checksum(key, value)) return value
  throw new VerificationError('E_INDEX', `the index holds a damaged value for ${key}`, {
    expected: checksum(key, value),
    actual: stored.slice(0, 8),
    fix: 'restart the node: the index is rebuilt from the journal',
  })
}

function checksum(key: string, value: string): string {
  return crc32(value, crc32(key)).toString(16).padStart(8, '0')
}

function isLocked(cause: unknown): boolean {
  const inner = (cause as { cause?: { code?: string } }).cause
  return inner?.code === 'LEVEL_LOCKED'
}

function locked(folder: string, cause: unknown): EnvironmentError {
  return new EnvironmentError('E_STORE_LOCKED', 'another process uses this store', {
    expected: 'a store of our own',
    actual: folder,
    fix: 'wait for the other command, or stop the daemon with deltaswarm down',
    cause,
  })
}
