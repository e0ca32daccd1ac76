import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { VerificationError } from '../../src/index.ts'
import { diskError, syncFolder } from './atomic-file.ts'
import {
  checkPayload,
  entryIn,
  frame,
  frameSize,
  HEAD_BYTES,
  MAGIC,
  MAX_FRAME_BYTES,
} from './journal-frame.ts'

/**
 * The order of everything this node acknowledged, as an append-only file of checksummed entries.
 * Together with the blocks it is the truth; the level index can always be rebuilt from it.
 */

/** Bytes read at once while scanning; many times the largest entry. */
const WINDOW_BYTES = 1024 * 1024

export interface JournalEntry {
  /** Byte position of the entry, by which `read` finds it again. */
  readonly at: number
  /** Byte position behind it. */
  readonly end: number
  readonly payload: Uint8Array
}

export interface Journal {
  /** Bytes written. */
  readonly length: number
  /**
   * Bytes that belonged to no valid entry at the start: damage, and a torn end, which was cut off.
   */
  readonly damaged: number
  /** Whether the start found damage at this position, so that `read` would reject. */
  isDamaged(at: number): boolean
  /**
   * Appends payloads and resolves with their positions when they are durable; one call at a time.
   * Rejects with `LimitError` `E_ENTRY_SIZE` before anything is written, and with
   * `EnvironmentError` `E_DISK_FULL` after taking back what was. After a failed fsync it accepts
   * nothing more.
   */
  append(payloads: readonly Uint8Array[]): Promise<readonly number[]>
  /** Rejects with `VerificationError` `E_JOURNAL_ENTRY` when there is no valid entry at `at`. */
  read(at: number): Promise<Uint8Array>
  /** Every valid entry from byte `from` on. */
  replay(from: number): AsyncIterable<JournalEntry>
  close(): Promise<void>
}

/** Reads the whole file once, so that all damage is known; the caller holds the store's lock. */
export async function openJournal(path: string): Promise<Journal> {
  let file: FileHandle
  try {
    file = await open(path, 'a+', 0o600)
  } catch (cause) {
    throw diskError(cause, path)
  }
  const gaps: { readonly from: number; readonly to: number }[] = []
  let length = 0
  let damaged = 0
  try {
    const { size } = await file.stat()
    for await (const { at, end } of scan(file, 0, size)) {
      if (at > length) gaps.push({ from: length, to: at })
      length = end
    }
    damaged = gaps.reduce((sum, { from, to }) => sum + to - from, size - length)
    // What follows the last valid entry is one that a crash tore, and was never acknowledged.
    if (length < size) await file.truncate(length)
    await syncFolder(dirname(path))
  } catch (cause) {
    await file.close()
    throw diskError(cause, path)
  }
  let failed: unknown

  return {
    get length() {
      return length
    },
    damaged,
    isDamaged: (at) => gaps.some(({ from, to }) => from <= at && at < to),
    async append(payloads) {
      if (failed !== undefined) throw failed
      payloads.forEach(checkPayload)
      const frames = payloads.map(frame)
      try {
        await file.appendFile(Buffer.concat(frames))
      } catch (cause) {
        await file.truncate(length).catch((error: unknown) => (failed = error))
        throw diskError(cause, path)
      }
      try {
        await file.sync()
      } catch (cause) {
        // Nobody knows what is on the disk now, and a second fsync would not tell.
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
      const size = frameSize(await bytesAt(file, at, HEAD_BYTES))
      const entry = size === undefined ? undefined : entryIn(await bytesAt(file, at, size))
      if (entry !== undefined) return entry.payload
      throw new VerificationError('E_JOURNAL_ENTRY', `no valid journal entry at byte ${at}`, {
        expected: 'an entry whose checksum matches',
        actual: 'other bytes',
        fix: 'restart the node: it leaves out what is damaged and asks its peers for it',
      })
    },
    replay: (from) => scan(file, from, length),
    close: () => file.close(),
  }
}

/** The valid entries between two positions; what lies between them is damage. */
async function* scan(file: FileHandle, from: number, to: number): AsyncGenerator<JournalEntry> {
  let position = from
  while (position < to) {
    const window = await bytesAt(file, position, Math.min(WINDOW_BYTES, to - position))
    const isLast = position + window.length === to
    // Every entry that starts before this lies whole in the window, or is torn.
    const limit = isLast ? window.length : window.length - MAX_FRAME_BYTES
    let at = 0
    while (at < limit) {
      const entry = entryIn(window.subarray(at))
      if (entry !== undefined) {
        yield { at: position + at, end: position + at + entry.size, payload: entry.payload }
        at += entry.size
      } else {
        const next = window.indexOf(MAGIC, at + 1)
        at = next >= 0 ? next : Math.max(at + 1, window.length - MAGIC.length + 1)
      }
    }
    position += at
  }
}

async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await file.read(buffer, 0, length, position)
  // Behind the end of the file there are zeros, which are no entry.
  return bytesRead === length ? buffer : buffer.fill(0, bytesRead)
}
