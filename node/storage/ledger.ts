import { join } from 'node:path'
import { type Catalogue, openCatalogue, openIndex } from './catalogue.ts'
import { type Entry, encodeEntry, indexEntry } from './entries.ts'
import { type Journal, openJournal } from './journal.ts'

/** The journal with its index: what this node acknowledged, and how to find it. */
export interface Ledger {
  /** Resolves when the entry is durable and found by `get` and `list`; entries share an fsync. */
  commit(entry: Entry): Promise<void>
  /** The journal entry at a position that the index gave. */
  read(at: number): Promise<Uint8Array>
  get: Catalogue['get']
  list: Catalogue['list']
  /** What was wrong when it was opened, in words; empty when all was well. */
  readonly findings: readonly string[]
  close(): Promise<void>
}

interface Waiting {
  readonly payload: Uint8Array
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

export async function openLedger(folder: string): Promise<Ledger> {
  // The index first: its lock is the store's, and opening the journal cuts off a torn end.
  const index = await openIndex(join(folder, 'index'))
  let journal: Journal
  let catalogue: Catalogue
  try {
    journal = await openJournal(join(folder, 'journal'))
    catalogue = await openCatalogue(index, journal, indexEntry)
  } catch (error) {
    await index.level.close()
    throw error
  }
  let waiting: Waiting[] = []
  let writing: Promise<void> | undefined

  // One group at a time: the index's mark must never run ahead of an entry it does not hold.
  const write = async (): Promise<void> => {
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      try {
        const positions = await journal.append(group.map(({ payload }) => payload))
        const changes = group.flatMap(({ payload }, i) => indexEntry(payload, positions[i]!))
        await catalogue.apply(changes, journal.length)
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    writing = undefined
  }

  const findings = [
    ...(catalogue.rebuilt === undefined ? [] : [`index rebuilt: ${catalogue.rebuilt}`]),
    ...(journal.damaged === 0 ? [] : [`${journal.damaged} damaged bytes of the journal skipped`]),
  ]
  return {
    commit: (entry) =>
      new Promise<void>((resolve, reject) => {
        waiting.push({ payload: encodeEntry(entry), resolve, reject })
        writing ??= write()
      }),
    read: (at) => journal.read(at),
    get: (key) => catalogue.get(key),
    list: (prefix) => catalogue.list(prefix),
    findings,
    async close() {
      await writing
      await catalogue.close()
      await journal.close()
    },
  }
}
