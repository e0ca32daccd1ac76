import { crc32 } from 'node:zlib'
import type { Level } from 'level'
import { VerificationError } from '../../src/index.ts'
import { emptyIndex, type LockedIndex } from './index-lock.ts'
import type { Journal } from './journal.ts'

/**
 * The level index over the journal. LevelDB checks nothing when it reads and can lose or change
 * data silently, so it is never the truth: every value carries a checksum of itself and its key,
 * their number and sum are compared at the start, and what does not fit leads to a rebuild from the
 * journal.
 */
export interface Catalogue {
  /** Rejects with `VerificationError` `E_INDEX` rather than give a damaged value. */
  get(key: string): Promise<string | undefined>
  /** Keys and values whose key starts with `prefix`, in the order of the keys' UTF-8. */
  list(prefix: string): AsyncIterable<readonly [key: string, value: string]>
  /**
   * Writes changes whole or not at all; from then on the index knows the journal up to a length.
   */
  apply(changes: readonly Change[], journalLength: number): Promise<void>
  /** Why the index was rebuilt at this start, if it was. */
  readonly rebuilt: string | undefined
  close(): Promise<void>
}

/** Without a value the key goes away. */
export interface Change {
  readonly key: string
  readonly value?: string
}

/** What a journal entry means for the index; pure, so that a rebuild gives the same index. */
export type Indexer = (payload: Uint8Array) => (at: number) => readonly Change[]

/** How far the index knows the journal, and what it then held besides this. */
interface Mark {
  readonly length: number
  readonly entries: number
  /** Of the entries' checksums, modulo 2³²: it does not depend on their order. */
  readonly sum: number
}

/** Sorts before every other key. */
const MARK = '!mark'
const EMPTY: Mark = { length: 0, entries: 0, sum: 0 }

/** Changes written together while the journal is replayed. */
const BATCH = 1000

/** Brings the index up to the journal's end, from the beginning if it cannot be trusted. */
export async function openCatalogue(
  { level, damage: unreadable }: LockedIndex,
  journal: Journal,
  indexer: Indexer,
): Promise<Catalogue> {
  const found = await readMark(level)
  const damage = unreadable ?? (await firstDamage(level, found, journal))
  let mark = (damage === undefined ? found : undefined) ?? EMPTY
  if (damage !== undefined) await emptyIndex(level)

  const apply = async (changes: readonly Change[], length: number): Promise<void> => {
    // Of several changes of one key the last wins.
    const last = new Map(changes.map(({ key, value }) => [key, value]))
    const before = await level.getMany([...last.keys()])
    const batch = level.batch()
    let { entries, sum } = mark
    for (const [i, [key, value]] of [...last].entries()) {
      const old = before[i]
      if (old !== undefined) [entries, sum] = [entries - 1, sum - sumOf(old)]
      if (value === undefined) batch.del(key)
      else {
        const stored = sealed(key, value)
        batch.put(key, stored)
        entries++
        sum += sumOf(stored)
      }
    }
    const next: Mark = { length, entries, sum: sum >>> 0 }
    batch.put(MARK, sealed(MARK, JSON.stringify(next)))
    await batch.write()
    mark = next
  }

  let pending: Change[] = []
  for await (const { at, end, payload } of journal.replay(mark.length)) {
    pending.push(...indexer(payload)(at))
    if (pending.length < BATCH) continue
    await apply(pending, end)
    pending = []
  }
  if (mark.length < journal.length) await apply(pending, journal.length)

  return {
    rebuilt: damage,
    async get(key) {
      const value = await level.get(key)
      return value === undefined ? undefined : opened(key, value)
    },
    async *list(prefix) {
      for await (const [key, value] of level.iterator({ gte: prefix, lt: after(prefix) })) {
        yield [key, opened(key, value)] as const
      }
    },
    apply,
    close: () => level.close(),
  }
}

/** The first reason not to trust the index, or `undefined`. */
async function firstDamage(
  level: Level,
  mark: Mark | undefined,
  journal: Journal,
): Promise<string | undefined> {
  if (mark === undefined) return journal.length === 0 ? undefined : 'it was missing'
  if (mark.length > journal.length) return 'it knows more than the journal'
  let entries = 0
  let sum = 0
  try {
    for await (const [key, value] of level.iterator({ gt: MARK })) {
      opened(key, value)
      entries++
      sum += sumOf(value)
    }
  } catch {
    return 'a value was damaged'
  }
  return entries === mark.entries && sum >>> 0 === mark.sum ? undefined : 'a write was lost'
}

async function readMark(level: Level): Promise<Mark | undefined> {
  try {
    const value = await level.get(MARK)
    return value === undefined ? undefined : (JSON.parse(opened(MARK, value)) as Mark)
  } catch {
    return undefined
  }
}

function sealed(key: string, value: string): string {
  return `${checksum(key, value)} ${value}`
}

function opened(key: string, stored: string): string {
  const value = stored.slice(9)
  const expected = checksum(key, value)
  if (stored.slice(0, 9) === `${expected} `) return value
  throw new VerificationError('E_INDEX', `the index holds a damaged value for ${key}`, {
    expected,
    actual: stored.slice(0, 8),
    fix: 'restart the node: the index is rebuilt from the journal',
  })
}

function checksum(key: string, value: string): string {
  return crc32(value, crc32(key)).toString(16).padStart(8, '0')
}

function sumOf(stored: string): number {
  return Number.parseInt(stored.slice(0, 8), 16)
}

/** The first key that does not start with an ASCII prefix. */
function after(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
}
