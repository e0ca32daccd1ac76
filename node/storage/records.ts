import {
  type Announcement,
  announcement,
  decodeRecord,
  formatOf,
  MAX_RECORDS,
  MAX_RECORDS_PER_AUTHOR,
  type RecordSet,
  type Score,
  score,
  type SealedRecord,
} from '../../protocol/index.ts'
import { type CID, cidOf, parseCid, VerificationError } from '../../src/index.ts'
import { decodeEntry, recordKey, typePrefix } from './entries.ts'
import type { Ledger } from './ledger.ts'

/** The signed records of a node on disk: durable before they are acknowledged, checked when read. */
export interface DiskRecords extends RecordSet {
  announcements(): Promise<readonly SealedRecord<Announcement>[]>
  scores(suite: CID): Promise<readonly SealedRecord<Score>[]>
  /** The next sequence number of an author's records of one type. */
  nextSeq(author: Uint8Array, type: string): number
}

/** Decoded records kept in memory: a board of 50 variants on 40 shards by 10 measurers fits. */
const CACHE_RECORDS = 20_000

export async function openRecords(ledger: Ledger, networkId: Uint8Array): Promise<DiskRecords> {
  const known = new Map<string, CID>()
  const perAuthor = new Map<string, number>()
  const sequences = new Map<string, number>()
  const cache = new Map<string, SealedRecord>()
  const adding = new Set<string>()

  const remember = ({ id, record, bytes }: SealedRecord): void => {
    const author = Buffer.from(record.author).toString('base64')
    known.set(id.toString(), id)
    perAuthor.set(author, (perAuthor.get(author) ?? 0) + 1)
    const line = `${record.type} ${author}`
    sequences.set(line, Math.max(sequences.get(line) ?? 0, record.seq))
    cache.set(id.toString(), { id, record, bytes })
    if (cache.size > CACHE_RECORDS) cache.delete(cache.keys().next().value!)
  }

  const bytesAt = async (id: CID, at: string): Promise<Uint8Array> => {
    const entry = decodeEntry(await ledger.read(Number(at)))
    if (entry.entry === 'record' && cidOf(entry.bytes).equals(id)) return entry.bytes
    throw new VerificationError('E_INDEX', 'the index points to another record', {
      expected: id.toString(),
      actual: entry.entry === 'record' ? cidOf(entry.bytes).toString() : entry.entry,
      fix: 'restart the node: the index is rebuilt from the journal',
    })
  }

  const load = async <Body>(
    prefix: string,
    open: (bytes: Uint8Array) => SealedRecord<Body>,
  ): Promise<SealedRecord<Body>[]> => {
    const found: SealedRecord<Body>[] = []
    for await (const [key, at] of ledger.list(prefix)) {
      const text = key.slice(prefix.length)
      const cached = cache.get(text) as SealedRecord<Body> | undefined
      found.push(cached ?? open(await bytesAt(parseCid(text), at)))
    }
    return found
  }

  for await (const [key, at] of ledger.list(recordKey(''))) {
    const id = parseCid(key.slice(recordKey('').length))
    const bytes = await bytesAt(id, at)
    const decoded = decodeRecord(bytes)
    const format = formatOf(decoded)
    if (format !== undefined) remember(format.open(bytes, networkId, decoded))
  }

  const addOne = async (sealed: SealedRecord): Promise<boolean> => {
    const id = sealed.id.toString()
    const author = Buffer.from(sealed.record.author).toString('base64')
    if (known.has(id) || adding.has(id) || known.size >= MAX_RECORDS) return false
    if ((perAuthor.get(author) ?? 0) >= MAX_RECORDS_PER_AUTHOR) return false
    adding.add(id)
    try {
      await ledger.commit({ entry: 'record', bytes: sealed.bytes })
      remember(sealed)
    } finally {
      adding.delete(id)
    }
    return true
  }

  return {
    get size() {
      return known.size
    },
    has: (id) => known.has(id.toString()),
    async get(id) {
      const cached = cache.get(id.toString())
      if (cached !== undefined) return cached.bytes
      const at = await ledger.get(recordKey(id.toString()))
      return at === undefined ? undefined : bytesAt(id, at)
    },
    ids: () => known.values(),
    async add(records) {
      const added = await Promise.all(records.map(addOne))
      return records.filter((_, i) => added[i])
    },
    announcements: () =>
      load(typePrefix('announcement'), (bytes) => announcement.open(bytes, networkId)),
    scores: (suite) =>
      load(typePrefix('score', suite.toString()), (bytes) => score.open(bytes, networkId)),
    nextSeq(author, type) {
      const line = `${type} ${Buffer.from(author).toString('base64')}`
      const next = (sequences.get(line) ?? 0) + 1
      // Reserved at once, so that two records made at the same time never share a number.
      sequences.set(line, next)
      return next
    },
  }
}
