import type { Sections } from '../index.ts'
import { badEncoding } from './encoding.ts'

/** Bytes fetched at once: one leaf, so that each leaf is asked for about once. */
const READ_AHEAD = 1024 * 1024

/** Takes a section's bytes in order. */
export interface SectionReader {
  /**
   * The next `length` bytes; they are valid until the next call. Throws `MalformedError`
   * `E_BAD_ENCODING` when fewer are left.
   */
  take(length: number): Promise<Uint8Array>
  /** What the next `take` of `most` bytes would give, or of all bytes when fewer are left. */
  peek(most: number): Promise<Uint8Array>
  /** Throws `MalformedError` `E_BAD_ENCODING` when bytes are left. */
  end(): void
}

export function createSectionReader(sections: Sections, section: string): SectionReader {
  const total = sections.bytes(section)
  let position = 0
  let window: Uint8Array = new Uint8Array(0)
  let windowAt = 0
  async function ahead(length: number): Promise<Uint8Array> {
    if (position + length > windowAt + window.length) {
      const bytes = Math.min(total - position, Math.max(length, READ_AHEAD))
      window = await sections.read(section, position, bytes)
      windowAt = position
    }
    return window.subarray(position - windowAt, position - windowAt + length)
  }

  return {
    async take(length) {
      if (length > total - position) {
        throw badEncoding(`section '${section}' ends early`, `${length} bytes`, total - position)
      }
      const bytes = await ahead(length)
      position += length
      return bytes
    },
    peek: (most) => ahead(Math.min(most, total - position)),
    end() {
      if (position === total) return
      throw badEncoding(`section '${section}' is too long`, `${position} bytes`, total)
    },
  }
}
