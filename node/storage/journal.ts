import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { VerificationError } from '../../src/index.ts'
import { diskError, syncFolder } from './atomic-file.ts'

/**
 * The order of everything this node acknowledged, as an append-only file of entries
 *
 *     magic 4 | length u32 | crc32 u32 of length and payload | payload
 *
 * Together with the blocks it is the truth; the level index can always be rebuilt from the two. The
 * magic lets a reader find the next entry after a damaged one, so that a flipped bit costs one entry.
 */

const MAGIC = Buffer.from([0xd5, 0x1a, 0x4e, 0x01])
const HEAD = 12

/** Largest payload: a signed record with room to spare. */
const MAX_PAYLOAD = 64 * 1024

/** Bytes read at once while replaying. */
const WINDOW = 1024 * 1024

export interface JournalEntry {
  /** Byte position of the entry, by which `read` finds it again. */
  readonly at: number
  readonly payload: Uint8Array
}

export interface Journal {
  /** Bytes written. */
  readonly length: number
  /** Bytes skipped because they belong to no valid entry; counted while replaying. */
  readonly damaged: number
  /** Appends payloads and resolves with their positions when they are durable; one call at a time. */
  append(payloads: readonly Uint8Array[]): Promise<readonly number[]>
  /** Rejects with `VerificationError` `E_JOURNAL_ENTRY` when there is no valid entry at `at`. */
  read(at: number): Promise<Uint8Array>
  /** Every valid entry from byte `from` on. */
  replay(from: number): AsyncIterable<JournalEntry>
  close(): Promise<void>
}

export async function openJournal(path: string): Promise<Journal> {
  const file = await open(path, 'a+', 0o600)
  const { size } = await file.stat()
  let length = await endOfEntries(file, size)
  let damaged = size - length
  await file.truncate(length)
  await syncFolder(dirname(path))
  let failed: unknown

  return {
    get length() {
      return length
    },
    get damaged() {
      return damaged
    },
    async append(payloads) {
      // After a failed fsync the state of the pages is unknown: the journal accepts nothing more.
      if (failed !== undefined) throw failed
      const frames = payloads.map(frame)
      try {
        await file.appendFile(Buffer.concat(frames))
        await file.sync()
      } catch (cause) {
        failed = diskError(cause, path)
        throw failed
      }
      return frames.map((bytes) => {
        const at = length
        length += bytes.length
        return at
      })
    },
    async read(at) {
      const head = Buffer.alloc(HEAD)
      await file.read(head, 0, HEAD, at)
      const size = payloadSize(head)
      if (size !== undefined) {
        const payload = Buffer.alloc(size)
        await file.read(payload, 0, size, at + HEAD)
        if (matches(head, payload)) return payload
      }
      throw new VerificationError(
        'E_JOURNAL_ENTRY',
        `there is no valid journal entry at byte ${at}`,
        {
          expected: 'an entry whose checksum matches',
          actual: 'other bytes',
          fix: 'remove the index folder; it is rebuilt at the next start',
        },
      )
    },
    async *replay(from) {
      let position = from
      while (position < length) {
        const window = Buffer.alloc(Math.min(WINDOW, length - position))
        await file.read(window, 0, window.length, position)
        let at = 0
        while (at + HEAD <= window.length) {
          const size = payloadSize(window.subarray(at))
          const end = size === undefined ? undefined : at + HEAD + size
          if (end !== undefined && end > window.length && position + end <= length) break
          const payload = end === undefined ? undefined : window.subarray(at + HEAD, end)
          if (
            payload !== undefined &&
            end! <= window.length &&
            matches(window.subarray(at), payload)
          ) {
            yield { at: position + at, payload: new Uint8Array(payload) }
            at = end!
            continue
          }
          const next = window.indexOf(MAGIC, at + 1)
          const skipTo = next < 0 ? Math.max(at + 1, window.length - MAGIC.length + 1) : next
          damaged += skipTo - at
          at = skipTo
        }
        // A window that ends in the middle of an entry starts the next one; a rest too short for an
        // entry is the torn end of the file.
        if (at === 0) break
        position += at
      }
    },
    close: () => file.close(),
  }
}

function frame(payload: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD)
  MAGIC.copy(head)
  head.writeUInt32LE(payload.length, 4)
  head.writeUInt32LE(checksum(head, payload), 8)
  return Buffer.concat([head, payload])
}

function payloadSize(head: Buffer): number | undefined {
  if (head.length < HEAD || MAGIC.compare(head, 0, 4) !== 0) return undefined
  const size = head.readUInt32LE(4)
  return size <= MAX_PAYLOAD ? size : undefined
}

function matches(head: Buffer, payload: Uint8Array): boolean {
  return head.readUInt32LE(8) === checksum(head, payload)
}

function checksum(head: Buffer, payload: Uint8Array): number {
  return crc32(payload, crc32(head.subarray(4, 8)))
}

/**
 * Where the last valid entry ends: a torn tail, which was never acknowledged, is cut off. Only the end
 * is looked at, so that opening does not read the whole file.
 */
async function endOfEntries(file: FileHandle, size: number): Promise<number> {
  const from = Math.max(0, size - 2 * (HEAD + MAX_PAYLOAD))
  const tail = Buffer.alloc(size - from)
  await file.read(tail, 0, tail.length, from)
  let end = from
  let at = tail.indexOf(MAGIC)
  while (at >= 0) {
    const length = payloadSize(tail.subarray(at))
    const stop = length === undefined ? undefined : at + HEAD + length
    if (stop !== undefined && stop <= tail.length) {
      if (matches(tail.subarray(at), tail.subarray(at + HEAD, stop))) {
        end = from + stop
        at = tail.indexOf(MAGIC, stop)
        continue
      }
    }
    at = tail.indexOf(MAGIC, at + 1)
  }
  return from > 0 && end === from ? size : end
}
