import {
  type Announcement,
  announcement,
  decodeRecord,
  MAX_RECORDS,
  MAX_RECORDS_PER_AUTHOR,
  type RecordFormat,
  type RecordSet,
  type RecordSetLimits,
  type Score,
  score,
  type SealedRecord,
} from '../../protocol/index.ts'
import { type CID, cidOf, MalformedError, parseCid, VerificationError } from '../../src/index.ts'
import { decodeEntry, decodePlace, recordPrefix, typePrefix } from './entries.ts'
import type { Ledger } from './ledger.ts'

/**
 * The signed records of a node on disk: durable before they are acknowledged, checked when read.
 */
export interface DiskRecords extends RecordSet {
  announcements(): Promise<readonly SealedRecord<Announcement>[]>
  scores(suite: CID): Promise<readonly SealedRecord<Score>[]>
  /** The next sequence number of an author's records of one type; never the same one twice. */
  nextSeq(author: Uint8Array, type: string): number
  /** Records that damage of the journal took, as found at the start; peers send them again. */
  readonly lost: number
}

/** Decoded records kept in memory: a board of 50 variants on 40 shards by 10 measurers fits. */
const CACHE_RECORDS = 20_000

/**
 * Starts from the index alone, so that a start takes a fraction of a second. That is safe: every
 * record was verified before it was committed, and whenever its bytes are read from the disk they
 * are compared with its id, and with its signature before a view is made of them.
 */
export async function openRecords(
  ledger: Ledger,
  networkId: Uint8Array,
  limits: RecordSetLimits = {},
): Promise<DiskRecords> {
  const { maxRecords = MAX_RECORDS, maxPerAuthor = MAX_RECORDS_PER_AUTHOR } = limits
  const known = new Map<string, Place>()
  const perAuthor = new Map<string, number>()
  const sequences = new Map<string, number>()
  const cache = new Map<string, SealedRecord>()
  const adding = new Map<string, Promise<void>>()
  let lost = 0

  const count = (author: string, by: number): number => {
    const counted = (perAuthor.get(author) ?? 0) + by
    perAuthor.set(author, counted)
    return counted
  }

  const raise = (type: string, author: string, seq: number): void => {
    const line = `${type} ${author}`
    sequences.set(line, Math.max(sequences.get(line) ?? 0, seq))
  }

  const found: { readonly place: Place; readonly author: string }[] = []
  for await (const [key, value] of ledger.list(recordPrefix)) {
    const { at, author, type, seq } = decodePlace(value)
    // Lost records had numbers too, but fewer of them than damaged bytes.
    raise(type, author, seq + ledger.damaged)
    if (ledger.isDamaged(at)) lost++
    else found.push({ place: { id: parseCid(key.slice(recordPrefix.length)), at }, author })
  }
  for (const { place, author } of found.toSorted((a, b) => a.place.at - b.place.at)) {
    known.set(place.id.toString(), place)
    count(author, 1)
  }

  /** `undefined` when the file was damaged since the start; the next start forgets the record. */
  const bytesOf = async ({ id, at }: Place): Promise<Uint8Array | undefined> => {
    try {
      const entry = decodeEntry(await ledger.read(at))
      return entry.entry === 'record' && cidOf(entry.bytes).equals(id) ? entry.bytes : undefined
    } catch (error) {
      if (error instanceof VerificationError || error instanceof MalformedError) return undefined
      throw error
    }
  }

  const remember = (sealed: SealedRecord): void => {
    cache.set(sealed.id.toString(), sealed)
    if (cache.size > CACHE_RECORDS) cache.delete(cache.keys().next().value!)
  }

  const load = async <Body>(
    format: RecordFormat<Body>,
    prefix: string,
  ): Promise<readonly SealedRecord<Body>[]> => {
    const loaded: SealedRecord<Body>[] = []
    for await (const [key] of ledger.list(prefix)) {
      const id = key.slice(prefix.length)
      const place = known.get(id)
      if (place === undefined) continue
      const cached = cache.get(id)
      const bytes = cached?.bytes ?? (await bytesOf(place))
      if (bytes === undefined) continue
      const decoded = cached === undefined ? decodeRecord(bytes) : cached.record
      // A later version of this software may have kept records of a later version of the format.
      if (decoded.version !== format.version) continue
      const sealed = (cached as SealedRecord<Body>) ?? format.open(bytes, networkId, decoded)
      if (cached === undefined) remember(sealed)
      loaded.push(sealed)
    }
    return loaded
  }

  const write = async (sealed: SealedRecord, author: string): Promise<void> => {
    const { id, bytes, record } = sealed
    try {
      const at = await ledger.commit({ entry: 'record', bytes })
      known.set(id.toString(), { id, at })
      raise(record.type, author, record.seq)
      remember(sealed)
    } catch (error) {
      count(author, -1)
      throw error
    } finally {
      adding.delete(id.toString())
    }
  }

  const addOne = async (sealed: SealedRecord): Promise<boolean> => {
    const key = sealed.id.toString()
    // Kept means durable, also for whoever adds the same record at the same time.
    const before = adding.get(key)
    if (before !== undefined) await before
    if (known.has(key) || known.size + adding.size >= maxRecords) return false
    const author = Buffer.from(sealed.record.author).toString('base64')
    if (count(author, 1) > maxPerAuthor) {
      count(author, -1)
      return false
    }
    const written = write(sealed, author)
    adding.set(key, written)
    await written
    return true
  }

  return {
    lost,
    get size() {
      return known.size
    },
    has: (id) => known.has(id.toString()),
    async get(id) {
      const place = known.get(id.toString())
      return cache.get(id.toString())?.bytes ?? (place === undefined ? undefined : bytesOf(place))
    },
    *ids() {
      for (const { id } of known.values()) yield id
    },
    async add(records) {
      const added = await Promise.all(records.map(addOne))
      return records.filter((_, i) => added[i])
    },
    announcements: () => load(announcement, typePrefix('announcement')),
    scores: (suite) => load(score, typePrefix('score', suite.toString())),
    nextSeq(author, type) {
      const line = `${type} ${Buffer.from(author).toString('base64')}`
      const next = (sequences.get(line) ?? ledger.damaged) + 1
      // Taken at once, so that two records made at the same time never share a number.
      sequences.set(line, next)
      return next
    },
  }
}

interface Place {
  readonly id: CID
  /** Position in the journal. */
  readonly at: number
}
