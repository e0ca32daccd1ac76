import { InvalidInputError, LimitError } from '../errors.ts'
import type { Kernels, Region } from './kernels.ts'
import { PAGE_BYTES, type SharedMemory } from './web-assembly.ts'

/** A cache line, and more than any vector needs. */
const ALIGNMENT = 64

/**
 * Unused bytes after each region. Buffers of one power-of-two size would otherwise start at equal
 * offsets modulo 4 KiB and evict each other from the first-level cache; they also make whole-vector
 * reads past a region's end harmless.
 */
const PADDING = 4096 + 256

/** Memory is grown by at least this much, so that a run of small requests grows it once. */
const GROWTH_BYTES = 4 * 1024 * 1024

interface Span {
  start: number
  end: number
}

export type Regions = Pick<Kernels, 'allocated' | 'peak' | 'allocate' | 'release'>

/**
 * Hands out pieces of `memory` behind what it has at first, smallest sufficient gap first. Freed neighbours
 * join, so that a cycle of allocations and releases does not grow the memory.
 */
export function createRegions(memory: SharedMemory, maximumBytes: number): Regions {
  /** Gaps by address; no two touch. */
  const gaps: Span[] = []
  /** The span and usable bytes of each region in use, by pointer. */
  const used = new Map<number, Span & { bytes: number }>()
  let end = memory.buffer.byteLength
  let allocated = 0
  let peak = 0

  function take(size: number): Span {
    let best: Span | undefined
    for (const gap of gaps) {
      const fits = gap.end - gap.start >= size
      if (fits && (best === undefined || gap.end - gap.start < best.end - best.start)) best = gap
    }
    best ??= grow(size)
    const span = { start: best.start, end: best.start + size }
    best.start = span.end
    if (best.start === best.end) gaps.splice(gaps.indexOf(best), 1)
    return span
  }

  /** Makes the last gap hold `size` bytes. */
  function grow(size: number): Span {
    const last = gaps.at(-1)
    const missing = last?.end === end ? size - (last.end - last.start) : size
    const pages = Math.ceil(missing / PAGE_BYTES)
    const room = Math.floor((maximumBytes - end) / PAGE_BYTES)
    const wanted = Math.min(Math.max(pages, GROWTH_BYTES / PAGE_BYTES), room)
    try {
      if (pages > room) throw new RangeError('maximum reached')
      memory.grow(wanted)
    } catch (cause) {
      throw new LimitError(
        'E_MEMORY',
        `expected room for ${size} more bytes, got ${allocated} of ${maximumBytes} in use`,
        {
          expected: size,
          actual: maximumBytes - allocated,
          fix: 'allow more memory, or work in smaller chunks',
          cause,
        },
      )
    }
    const start = end
    end += wanted * PAGE_BYTES
    if (last?.end === start) {
      last.end = end
      return last
    }
    const gap = { start, end }
    gaps.push(gap)
    return gap
  }

  function giveBack(span: Span): void {
    const after = gaps.findIndex((gap) => gap.start >= span.end)
    const at = after < 0 ? gaps.length : after
    const previous = gaps[at - 1]?.end === span.start ? gaps[at - 1] : undefined
    const next = gaps[at]?.start === span.end ? gaps[at] : undefined
    const joined = { start: previous?.start ?? span.start, end: next?.end ?? span.end }
    const first = previous === undefined ? at : at - 1
    gaps.splice(first, Number(previous !== undefined) + Number(next !== undefined), joined)
  }

  return {
    get allocated() {
      return allocated
    },
    get peak() {
      return peak
    },
    allocate(bytes) {
      if (!(Number.isSafeInteger(bytes) && bytes >= 0)) {
        throw new InvalidInputError('E_REGION', `expected a whole number of bytes, got ${bytes}`, {
          expected: 'a whole number of bytes',
          actual: bytes,
        })
      }
      const usable = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
      const span = take(usable + PADDING)
      used.set(span.start, { ...span, bytes: usable })
      allocated += usable
      peak = Math.max(peak, allocated)
      return viewRegion(memory.buffer, span.start, usable)
    },
    release(region) {
      const span = used.get(region.pointer)
      if (span === undefined) {
        throw new InvalidInputError(
          'E_REGION',
          `expected a region in use, got pointer ${region.pointer}`,
          { expected: 'a region that was allocated and not yet released', actual: region.pointer },
        )
      }
      used.delete(region.pointer)
      allocated -= span.bytes
      giveBack(span)
    },
  }
}

/** Views of `bytes` bytes from `pointer` on, a multiple of 4. */
export function viewRegion(buffer: SharedArrayBuffer, pointer: number, bytes: number): Region {
  return {
    pointer,
    bytes,
    u8: new Uint8Array(buffer, pointer, bytes),
    u16: new Uint16Array(buffer, pointer, bytes >>> 1),
    u32: new Uint32Array(buffer, pointer, bytes >>> 2),
    i32: new Int32Array(buffer, pointer, bytes >>> 2),
    f32: new Float32Array(buffer, pointer, bytes >>> 2),
  }
}
