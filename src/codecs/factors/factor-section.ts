import type { Kernels, Matrix, Region } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { dtypeBytes, type WeightDType } from '../../tensors/dtype.ts'
import type { Sections, SectionSink } from '../index.ts'
import { allocateBuffers } from '../sections/block.ts'
import { badEncoding, checkSize, outOfRange } from '../sections/encoding.ts'
import { decodePlane, encodePlane } from '../sections/plane.ts'
import { createSectionReader } from '../sections/section-reader.ts'

/**
 * A factor's numbers, row by row, in a dtype: per block of `BLOCK_ELEMENTS` the frames of its 2 or 4 byte
 * planes of `Kernels.splitPlanes`, lowest byte first. The highest plane is the exponent, which is the
 * part that packs.
 */

/**
 * Stores a matrix that is contiguous row by row, and rounds it in place to what is stored. Throws
 * `IncompatibleError` `E_VALUE_RANGE`, with the name of its tensor, when the dtype cannot hold a value.
 */
export async function writeFactor(
  kernels: Kernels,
  matrix: Matrix,
  dtype: WeightDType,
  tensor: string,
  sink: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const width = dtypeBytes[dtype]
  using buffers = allocateBuffers(kernels, bufferSizes(matrix, width))
  const [stored, planes] = buffers.regions
  for (const { block, count } of blocksOf(matrix)) {
    kernels.narrow(dtype, block, stored, count)
    kernels.widen(dtype, stored, block, count)
    const overflow = kernels.firstNonFinite(block, count)
    if (overflow >= 0) throw outOfRange(tensor, dtype, block.f32[overflow])
    kernels.splitPlanes(dtype, stored, planes, count)
    const frames: Uint8Array[] = []
    for (let plane = 0; plane < width; plane++) {
      frames.push(encodePlane(kernels, planes.u8.subarray(plane * count, (plane + 1) * count)))
    }
    await sink(Buffer.concat(frames))
  }
}

/** Throws `MalformedError` `E_BAD_ENCODING` unless a section may hold a factor of that many numbers. */
export function checkFactor(
  sections: Sections,
  section: string,
  elements: number,
  dtype: WeightDType,
): void {
  const width = dtypeBytes[dtype]
  const frames = width * Math.ceil(elements / BLOCK_ELEMENTS)
  checkSize(sections, section, 2 * frames, frames + width * elements)
}

/** Fills a matrix from a section; throws `MalformedError` `E_BAD_ENCODING`. */
export async function readFactor(
  kernels: Kernels,
  sections: Sections,
  section: string,
  dtype: WeightDType,
  matrix: Matrix,
): Promise<void> {
  const width = dtypeBytes[dtype]
  using buffers = allocateBuffers(kernels, bufferSizes(matrix, width))
  const [stored, planes] = buffers.regions
  const reader = createSectionReader(sections, section)
  for (const { block, count } of blocksOf(matrix)) {
    for (let plane = 0; plane < width; plane++) {
      await decodePlane(kernels, reader, planes.u8.subarray(plane * count, (plane + 1) * count))
    }
    kernels.joinPlanes(dtype, planes, stored, count)
    kernels.widen(dtype, stored, block, count)
    const bad = kernels.firstNonFinite(block, count)
    if (bad >= 0) throw badEncoding(`a number of '${section}'`, 'finite', block.f32[bad])
  }
  reader.end()
}

/** The sink of one section. */
export function sectionOf(sink: SectionSink, section: string) {
  return (bytes: Uint8Array): Promise<void> => sink(section, bytes)
}

function bufferSizes({ rows, columns }: Matrix, width: number): [number, number] {
  const bytes = Math.min(BLOCK_ELEMENTS, rows * columns) * width
  return [bytes, bytes]
}

function* blocksOf({ region, rows, columns }: Matrix): Iterable<{ block: Region; count: number }> {
  const elements = rows * columns
  for (let at = 0; at < elements; at += BLOCK_ELEMENTS) {
    const count = Math.min(BLOCK_ELEMENTS, elements - at)
    yield { block: sliceRegion(region, at * 4, count * 4), count }
  }
}
