import type { Sections, SectionSink } from '../index.ts'
import { badEncoding } from '../sections/encoding.ts'

/** Sections that are held in memory as they are written. */
export interface HeldSections {
  readonly sink: SectionSink
  /** What was written so far. */
  read(): Sections
}

export function createHeldSections(): HeldSections {
  const parts = new Map<string, Uint8Array[]>()
  return {
    async sink(section, bytes) {
      const list = parts.get(section) ?? []
      parts.set(section, list)
      list.push(bytes.slice())
    },
    read() {
      const whole = new Map([...parts].map(([name, list]) => [name, Buffer.concat(list)]))
      return {
        bytes: (section) => whole.get(section)?.length ?? 0,
        async read(section, offset, length) {
          const bytes = whole.get(section)?.subarray(offset, offset + length)
          if (bytes?.length === length) return bytes
          throw badEncoding(
            `section '${section}' ends early`,
            `${length} bytes`,
            bytes?.length ?? 0,
          )
        },
      }
    },
  }
}
