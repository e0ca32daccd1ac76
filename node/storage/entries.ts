import { asCid, cidOf, decodeCanonical, encodeCanonical, MalformedError } from '../../src/index.ts'
import { decodeRecord } from '../../protocol/index.ts'
import type { Change } from './catalogue.ts'

/**
 * What a node writes into its journal: a signed record it accepted, a local name, a base it may read,
 * a data set it may measure on. Each entry is canonical dag-cbor.
 */
export type Entry =
  | { readonly entry: 'record'; readonly bytes: Uint8Array }
  /** `value` null takes the mark away. `kind` is the table: `name`, `base`, `suite` … */
  | {
      readonly entry: 'mark'
      readonly kind: string
      readonly key: string
      readonly value: string | null
    }

export function encodeEntry(entry: Entry): Uint8Array {
  return encodeCanonical(entry)
}

/** Key of a record's position in the index, by id. */
export function recordKey(id: string): string {
  return `record/${id}`
}

/** Keys under which a record is found besides its id: by type, and scores by suite. */
export function typePrefix(type: string, suite?: string): string {
  return suite === undefined ? `type/${type}/` : `suite/${suite}/`
}

export function markPrefix(kind: string): string {
  return `mark/${kind}/`
}

/** What an entry means for the index: a pure function, so that a rebuild gives the same index. */
export function indexEntry(payload: Uint8Array, at: number): readonly Change[] {
  const entry = decodeEntry(payload)
  if (entry.entry === 'mark') {
    const key = markPrefix(entry.kind) + entry.key
    return [entry.value === null ? { key } : { key, value: entry.value }]
  }
  const id = cidOf(entry.bytes).toString()
  const value = String(at)
  const record = decodeRecord(entry.bytes) as { type: string; body?: { suite?: unknown } }
  const suite = record.type === 'score' ? asCid(record.body?.suite) : undefined
  return [
    { key: recordKey(id), value },
    { key: typePrefix(record.type) + id, value },
    ...(suite === undefined ? [] : [{ key: typePrefix('score', suite.toString()) + id, value }]),
  ]
}

export function decodeEntry(payload: Uint8Array): Entry {
  const value = decodeCanonical(payload) as Entry
  if (value.entry === 'record' || value.entry === 'mark') return value
  throw new MalformedError('E_JOURNAL_ENTRY', 'the journal holds an entry of an unknown kind', {
    expected: 'record or mark',
    actual: (value as { entry?: unknown }).entry,
    fix: 'a newer deltaswarm wrote this store: use that one',
  })
}
