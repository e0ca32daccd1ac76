import { asCid, cidOf, decodeCanonical, encodeCanonical, MalformedError } from '../../src/index.ts'
import { decodeRecord, type Score, type SignedRecord } from '../../protocol/index.ts'
import type { Change } from './catalogue.ts'

/**
 * What a node writes into its journal: a signed record it accepted, or a mark of its own: a local
 * name, a base it may read, a data set it may measure on. Each entry is canonical dag-cbor.
 */
export type Entry =
  | { readonly entry: 'record'; readonly bytes: Uint8Array }
  /** `value` null takes the mark away. `kind` is the table: `name`, `base`, `data` … */
  | {
      readonly entry: 'mark'
      readonly kind: string
      readonly key: string
      readonly value: string | null
    }

/** What the index knows of a record: enough to open a store without reading the records. */
export interface RecordPlace {
  /** Position in the journal; positions rise in the order of addition. */
  readonly at: number
  readonly type: string
  /** Base64. */
  readonly author: string
  readonly seq: number
}

export function encodeEntry(entry: Entry): Uint8Array {
  return encodeCanonical(entry)
}

/** Throws `MalformedError` `E_NOT_CANONICAL` or `E_JOURNAL_ENTRY`. */
export function decodeEntry(payload: Uint8Array): Entry {
  const value = decodeCanonical(payload) as Entry | null
  if (value?.entry === 'record' || value?.entry === 'mark') return value
  throw new MalformedError('E_JOURNAL_ENTRY', 'the journal holds an entry of an unknown kind', {
    expected: 'record or mark',
    actual: (value as { entry?: unknown } | null)?.entry,
    fix: 'a newer deltaswarm wrote this store: use that one',
  })
}

/** Prefix of the keys under which the index holds the `RecordPlace` of each id. */
export const recordPrefix = 'record/'

export function decodePlace(value: string): RecordPlace {
  return JSON.parse(value) as RecordPlace
}

/** Prefix of the keys that list the ids of one type, or the scores of one suite. */
export function typePrefix(type: string, suite?: string): string {
  return suite === undefined ? `type/${type}/` : `suite/${suite}/`
}

export function markPrefix(kind: string): string {
  return `mark/${kind}/`
}

/**
 * What an entry means for the index once its position is known: a pure function, so that a rebuild
 * gives the same index. Throws what `decodeEntry` and `decodeRecord` throw.
 */
export function indexEntry(payload: Uint8Array): (at: number) => readonly Change[] {
  const entry = decodeEntry(payload)
  if (entry.entry === 'mark') {
    const key = markPrefix(entry.kind) + entry.key
    return () => [entry.value === null ? { key } : { key, value: entry.value }]
  }
  const id = cidOf(entry.bytes).toString()
  // Its format checked the rest of it before it was written.
  const { type, author, seq, body } = decodeRecord(entry.bytes) as SignedRecord<Partial<Score>>
  const suite = type === 'score' ? asCid(body.suite) : undefined
  return (at) => {
    const place: RecordPlace = { at, type, author: Buffer.from(author).toString('base64'), seq }
    return [
      { key: recordPrefix + id, value: JSON.stringify(place) },
      { key: typePrefix(type) + id, value: '' },
      ...(suite === undefined ? [] : [{ key: typePrefix(type, suite.toString()) + id, value: '' }]),
    ]
  }
}
