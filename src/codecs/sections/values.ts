import type { Kernels, Region } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { dtypeBytes, type WeightDType } from '../../tensors/dtype.ts'
import { badEncoding, outOfRange } from './encoding.ts'
import { decodePlane, encodePlane } from './plane.ts'
import type { SectionReader } from './section-reader.ts'

/**
 * A section of values in order, in batches of `BLOCK_ELEMENTS` and a last one of what is left. A
 * batch is one frame (`plane.ts`) per byte plane of `Kernels.splitPlanes`, lowest first: the
 * highest holds the exponents, which are skewed, so that values take the entropy of their bytes.
 */

/** The least and the most bytes of a section of so many values. */
export function valueBytes(count: number, dtype: WeightDType): readonly [min: number, max: number] {
  const frames = dtypeBytes[dtype] * Math.ceil(count / BLOCK_ELEMENTS)
  return [2 * frames, frames + dtypeBytes[dtype] * count]
}

/** Bytes of scratch memory for a section of at most `count` values. */
export function valueScratchBytes(count: number): number {
  return 2 * batchBytes(count)
}

export interface ValueWriter {
  /**
   * Stores f32 values rounded to nearest even in the section's dtype and leaves the rounded ones in
   * `values`. Throws `IncompatibleError` `E_VALUE_RANGE` when one becomes infinite.
   */
  write(values: Region, count: number): Promise<void>
  /** Stores the last batch. */
  end(): Promise<void>
}

export interface ValueSection {
  readonly kernels: Kernels
  /** Of the tensor, for messages. */
  readonly name: string
  readonly dtype: WeightDType
  /** So many values, or at most so many where a writer does not know yet. */
  readonly count: number
  /** `valueScratchBytes(count)` bytes that nobody else uses. */
  readonly scratch: Region
}

export function createValueWriter(
  { kernels, name, dtype, count: most, scratch }: ValueSection,
  sink: (bytes: Uint8Array) => Promise<void>,
): ValueWriter {
  const [batch, packed] = halves(scratch, most)
  let filled = 0

  async function flush(): Promise<void> {
    kernels.narrow(dtype, batch, packed, filled)
    kernels.splitPlanes(dtype, packed, batch, filled)
    const frames: Uint8Array[] = []
    for (let plane = 0; plane < dtypeBytes[dtype]; plane++) {
      frames.push(encodePlane(kernels, batch.u8.subarray(plane * filled, (plane + 1) * filled)))
    }
    filled = 0
    await sink(Buffer.concat(frames))
  }

  return {
    async write(values, count) {
      for (let at = 0, size = 0; at < count; at += size) {
        size = Math.min(count - at, BLOCK_ELEMENTS - filled)
        const part = sliceRegion(values, at * 4, size * 4)
        kernels.narrow(dtype, part, packed, size)
        kernels.widen(dtype, packed, part, size)
        const bad = kernels.firstNonFinite(part, size)
        if (bad >= 0) throw outOfRange(name, dtype, part.f32[bad])
        batch.f32.set(part.f32.subarray(0, size), filled)
        filled += size
        if (filled === BLOCK_ELEMENTS) await flush()
      }
    },
    async end() {
      if (filled > 0) await flush()
    },
  }
}

/** Stores all values of a section at once, as a writer would, and leaves the rounded ones. */
export async function writeValues(
  section: ValueSection,
  values: Region,
  sink: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const writer = createValueWriter(section, sink)
  await writer.write(values, section.count)
  await writer.end()
}

export interface ValueReader {
  /**
   * Puts the next values into `out` as f32. Throws `MalformedError` `E_BAD_ENCODING` when there are
   * fewer, or one is not finite.
   */
  take(out: Region, count: number): Promise<void>
  /** Throws `MalformedError` `E_BAD_ENCODING` when values or bytes are left. */
  end(): void
}

export function createValueReader(
  { kernels, name, dtype, count: total, scratch }: ValueSection,
  reader: SectionReader,
): ValueReader {
  const [batch, packed] = halves(scratch, total)
  let left = total
  let filled = 0
  let used = 0

  async function refill(): Promise<void> {
    filled = Math.min(left, BLOCK_ELEMENTS)
    used = 0
    left -= filled
    for (let plane = 0; plane < dtypeBytes[dtype]; plane++) {
      const bytes = batch.u8.subarray(plane * filled, (plane + 1) * filled)
      await decodePlane(kernels, reader, bytes)
    }
    kernels.joinPlanes(dtype, batch, packed, filled)
    kernels.widen(dtype, packed, batch, filled)
    const bad = kernels.firstNonFinite(batch, filled)
    if (bad >= 0) throw badEncoding(`a value of '${name}'`, 'finite', batch.f32[bad])
  }

  return {
    async take(out, count) {
      if (count > filled - used + left) {
        throw badEncoding(`'${name}' has too few values`, count, filled - used + left)
      }
      for (let at = 0, size = 0; at < count; at += size) {
        if (used === filled) await refill()
        size = Math.min(count - at, filled - used)
        out.f32.set(batch.f32.subarray(used, used + size), at)
        used += size
      }
    },
    end() {
      if (used < filled || left > 0) {
        throw badEncoding(`'${name}' has values that nobody uses`, 0, filled - used + left)
      }
      reader.end()
    },
  }
}

function halves(scratch: Region, count: number): [Region, Region] {
  const bytes = batchBytes(count)
  return [sliceRegion(scratch, 0, bytes), sliceRegion(scratch, bytes, bytes)]
}

function batchBytes(count: number): number {
  return 4 * Math.min(count, BLOCK_ELEMENTS)
}
