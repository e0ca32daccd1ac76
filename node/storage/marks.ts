import { markPrefix } from './entries.ts'
import type { Ledger } from './ledger.ts'

/** A small table of the node's own, text by text; changes are durable when they resolve. */
export interface Marks {
  get(key: string): Promise<string | undefined>
  /** In the order of the keys' UTF-8. */
  all(): Promise<ReadonlyMap<string, string>>
  set(key: string, value: string): Promise<void>
  remove(key: string): Promise<void>
}

/**
 * `name`: local names to CIDs · `base`: weights ids to the folders they lie in · `data`: names of
 * data sets to suite ids · `verified`: deltas that decode as declared · `store`: what the store as
 * a whole is for.
 */
export type MarkKind = 'name' | 'base' | 'data' | 'verified' | 'store'

export function openMarks(ledger: Ledger, kind: MarkKind): Marks {
  const prefix = markPrefix(kind)
  return {
    get: (key) => ledger.get(prefix + key),
    async all() {
      const found = new Map<string, string>()
      for await (const [key, value] of ledger.list(prefix)) {
        found.set(key.slice(prefix.length), value)
      }
      return found
    },
    async set(key, value) {
      await ledger.commit({ entry: 'mark', kind, key, value })
    },
    async remove(key) {
      await ledger.commit({ entry: 'mark', kind, key, value: null })
    },
  }
}
