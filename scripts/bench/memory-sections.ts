import type { Sections, SectionSink } from '../../src/index.ts'

/** Takes the sections of one tensor, which are complete when `sections` is called. */
export function collectSections(): { readonly sink: SectionSink; sections(): Sections } {
  const stored = new Map<string, Uint8Array[]>()
  return {
    sink(section, bytes) {
      const parts = stored.get(section)
      if (parts === undefined) stored.set(section, [bytes.slice()])
      else parts.push(bytes.slice())
      return Promise.resolve()
    },
    sections() {
      const joined = new Map([...stored].map(([name, parts]) => [name, Buffer.concat(parts)]))
      return {
        bytes: (section) => joined.get(section)?.length ?? 0,
        read: (section, offset, length) =>
          Promise.resolve(joined.get(section)!.subarray(offset, offset + length)),
      }
    },
  }
}
