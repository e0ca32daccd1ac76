import { allocateBuffers } from '../../compute/buffers.ts'
import type { Kernels, Region } from '../../compute/kernels.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { Sections, SectionSink } from '../index.ts'
import { bitmapBytes } from '../sections/bits.ts'
import { blockCapacity } from '../sections/block.ts'
import { checkSize } from '../sections/encoding.ts'
import { decodeMask, encodeMask, maskBytes, maskScratchBytes } from '../sections/mask.ts'
import { createSectionReader } from '../sections/section-reader.ts'

/**
 * Sections `signs0` … `signs7` (sections/mask.ts): bit i of `signs` b is bit b of element i's code.
 */
const sectionOf = (plane: number): string => `signs${plane}`

/** Stores the codes of one block; `room` holds 8 bitmaps. */
export async function storePlanes(
  kernels: Kernels,
  codes: Region,
  count: number,
  { bits, room, sink }: { bits: number; room: Region; sink: SectionSink },
): Promise<void> {
  kernels.packPlanes(codes, room, count, bits)
  const bytes = bitmapBytes(count)
  using buffers = allocateBuffers(kernels, [bytes, maskScratchBytes(count)])
  const [bitmap, scratch] = buffers.regions
  for (let plane = 0; plane < bits; plane++) {
    bitmap.u8.set(room.u8.subarray(plane * bytes, (plane + 1) * bytes))
    await sink(sectionOf(plane), encodeMask(kernels, bitmap, count, scratch))
  }
}

/** Stored planes, read from the first element to the last. */
export interface PlaneReader {
  /** The codes of the next block. */
  read(codes: Region, count: number): Promise<void>
  end(): void
  close(): void
}

/** Checks the sections' sizes before it allocates; throws `MalformedError` `E_BAD_ENCODING`. */
export function openPlanes(
  kernels: Kernels,
  spec: TensorSpec,
  sections: Sections,
  bits: number,
): PlaneReader {
  const names = Array.from({ length: bits }, (_, plane) => sectionOf(plane))
  for (const name of names) checkSize(sections, name, ...maskBytes(elementsOf(spec.shape)))
  const readers = names.map((name) => createSectionReader(sections, name))
  const capacity = blockCapacity(spec)
  const bytes = bitmapBytes(capacity)
  const buffers = allocateBuffers(kernels, [bits * bytes, bytes, maskScratchBytes(capacity)])
  const [room, bitmap, scratch] = buffers.regions
  return {
    async read(codes, count) {
      for (const [plane, reader] of readers.entries()) {
        await decodeMask(kernels, reader, bitmap, count, scratch)
        room.u8.set(bitmap.u8.subarray(0, bitmapBytes(count)), plane * bitmapBytes(count))
      }
      kernels.unpackPlanes(room, codes, count, bits)
    },
    end: () => readers.forEach((reader) => reader.end()),
    close: () => buffers[Symbol.dispose](),
  }
}
