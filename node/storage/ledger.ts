import { join } from 'node:path'
import { type Catalogue, type Change, openCatalogue } from './catalogue.ts'
import { type Entry, encodeEntry, indexEntry } from './entries.ts'
import { openIndex } from './index-lock.ts'
import { checkPayload } from './journal-frame.ts'
import { type Journal, openJournal } from './journal.ts'

/** The journal with its index: what this node acknowledged, and how to find it. */
export interface Ledger {
  /**
   * Resolves with the entry's position when it is durable and found by `get` and `list`; entries
   * share an fsync. Rejects with `EnvironmentError` `E_DISK_FULL` or `E_DISK_DENIED`, `LimitError`
   * `E_ENTRY_SIZE`, or `MalformedError` for a record that is none.
   */
  commit(entry: Entry): Promise<number>
  /** The journal entry at a position that the index gave. */
  readonly read: Journal['read']
  readonly get: Catalogue['get']
  readonly list: Catalogue['list']
  readonly isDamaged: Journal['isDamaged']
  /** Damaged bytes of the journal, as found at the start. */
  readonly damaged: number
  /** What was wrong when it was opened, in words; empty when all was well. */
  readonly findings: readonly string[]
  close(): Promise<void>
}

interface Waiting {
  readonly payload: Uint8Array
  readonly changesAt: (at: number) => readonly Change[]
  readonly resolve: (at: number) => void
  readonly reject: (reason: unknown) => void
}

/**
 * Throws `EnvironmentError` `E_STORE_LOCKED` when another process has it, `E_INDEX` or `E_DISK_…`.
 */
export async function openLedger(folder: string): Promise<Ledger> {
  const { journal, catalogue } = await openBoth(folder)
  let waiting: Waiting[] = []
  let writing: Promise<void> | undefined
  let owed: readonly Change[] = []

  // One group at a time: the index must never claim to know an entry that it does not hold. What it
  // could not take is therefore owed to it, and goes before the next group's changes.
  const writeGroups = async (): Promise<void> => {
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      try {
        const positions = await journal.append(group.map(({ payload }) => payload))
        owed = [...owed, ...group.flatMap(({ changesAt }, i) => changesAt(positions[i]!))]
        await catalogue.apply(owed, journal.length)
        owed = []
        group.forEach(({ resolve }, i) => resolve(positions[i]!))
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    writing = undefined
  }

  return {
    async commit(entry) {
      const payload = encodeEntry(entry)
      checkPayload(payload)
      // Understood before it is written: a journal with an entry that is not could not be opened.
      const changesAt = indexEntry(payload)
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      waiting.push({ payload, changesAt, resolve, reject })
      writing ??= writeGroups()
      return promise
    },
    read: (at) => journal.read(at),
    get: (key) => catalogue.get(key),
    list: (prefix) => catalogue.list(prefix),
    isDamaged: (at) => journal.isDamaged(at),
    damaged: journal.damaged,
    findings: [
      ...(catalogue.rebuilt === undefined ? [] : [`index rebuilt: ${catalogue.rebuilt}`]),
      ...(journal.damaged === 0
        ? []
        : [`${journal.damaged} damaged bytes of the journal left out`]),
    ],
    async close() {
      await writing
      await catalogue.close()
      await journal.close()
    },
  }
}

async function openBoth(folder: string): Promise<{ journal: Journal; catalogue: Catalogue }> {
  // The index first: its lock is the store's, and opening the journal cuts off a torn end.
  const index = await openIndex(join(folder, 'index'))
  let journal: Journal | undefined
  try {
    journal = await openJournal(join(folder, 'journal'))
    return { journal, catalogue: await openCatalogue(index, journal, indexEntry) }
  } catch (error) {
    await journal?.close()
    await index.level.close()
    throw error
  }
}
