import { toString } from 'uint8arrays/to-string'
import type { CID } from '../src/index.ts'
import type { SealedRecord } from './formats/record.ts'
import { MAX_RECORDS, MAX_RECORDS_PER_AUTHOR } from './limits.ts'

/**
 * All records that a node holds: a set that only grows, so that any order, repetition or grouping
 * of additions ends in the same set. Views (a leaderboard, a list of offers) are folds over it.
 */
export interface RecordSet {
  readonly size: number
  has(id: CID): boolean
  get(id: CID): Promise<Uint8Array | undefined>
  /** Every id, in the order of addition. */
  ids(): Iterable<CID>
  /**
   * Resolves when the records are kept, with those that are new: neither known nor beyond the share
   * of their author or the size of the whole set. Each must have passed `judge`.
   */
  add(records: readonly SealedRecord[]): Promise<readonly SealedRecord[]>
}

export interface RecordSetLimits {
  /** @default MAX_RECORDS */
  readonly maxRecords?: number
  /** @default MAX_RECORDS_PER_AUTHOR */
  readonly maxPerAuthor?: number
}

/** A set in memory; the node's keeps the same promises on disk. */
export function createMemoryRecordSet(limits: RecordSetLimits = {}): RecordSet {
  const { maxRecords = MAX_RECORDS, maxPerAuthor = MAX_RECORDS_PER_AUTHOR } = limits
  const records = new Map<string, SealedRecord>()
  const perAuthor = new Map<string, number>()

  function addOne(sealed: SealedRecord): boolean {
    const key = sealed.id.toString()
    const author = toString(sealed.record.author, 'base64')
    const count = perAuthor.get(author) ?? 0
    if (records.has(key) || records.size >= maxRecords || count >= maxPerAuthor) return false
    records.set(key, sealed)
    perAuthor.set(author, count + 1)
    return true
  }

  return {
    get size() {
      return records.size
    },
    has: (id) => records.has(id.toString()),
    get: async (id) => records.get(id.toString())?.bytes,
    *ids() {
      for (const { id } of records.values()) yield id
    },
    add: async (added) => added.filter(addOne),
  }
}
