import { allocateBuffers } from '../../compute/buffers.ts'
import type { Kernels, Region } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { dtypeBytes, type WeightDType } from '../../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { Sections } from '../index.ts'
import { blockCapacity } from '../sections/block.ts'
import { checkMagnitudes, checkSize, outOfRange } from '../sections/encoding.ts'
import { createSectionReader } from '../sections/section-reader.ts'
import {
  createValueReader,
  createValueWriter,
  valueBytes,
  valueScratchBytes,
} from '../sections/values.ts'
import { positionOf, type ScaleLayout, scaleRange, scalesPerBlock } from './layout.ts'

/**
 * Section: the scales in order (of rows from the first to the last, of a row's groups from left to
 * right), each a finite number ≥ 0 in the dtype of the scales; several as `sections/values.ts`
 * stores them, a single one as it is.
 */
export const SCALES = 'scale'

/**
 * The section's bytes: scales rounded to f32 and then to nearest even in their dtype. Throws
 * `IncompatibleError` `E_VALUE_RANGE` when one is too large.
 */
export async function encodeScales(
  kernels: Kernels,
  { name }: TensorSpec,
  dtype: WeightDType,
  scales: Float64Array,
): Promise<Uint8Array> {
  const count = scales.length
  if (count === 1) return encodeOne(kernels, name, dtype, scales[0]!)
  const piece = Math.min(count, BLOCK_ELEMENTS)
  using buffers = allocateBuffers(kernels, [4 * piece, valueScratchBytes(count)])
  const [wide, scratch] = buffers.regions
  const parts: Uint8Array[] = []
  const writer = createValueWriter({ kernels, name, dtype, count, scratch }, (bytes) => {
    parts.push(bytes)
    return Promise.resolve()
  })
  for (let at = 0; at < count; at += piece) {
    const some = scales.subarray(at, at + piece)
    wide.f32.set(some)
    await writer.write(wide, some.length)
  }
  await writer.end()
  return Buffer.concat(parts)
}

function encodeOne(kernels: Kernels, name: string, dtype: WeightDType, scale: number): Uint8Array {
  using buffers = allocateBuffers(kernels, [4, 4])
  const [wide, packed] = buffers.regions
  wide.f32[0] = scale
  kernels.narrow(dtype, wide, packed, 1)
  kernels.widen(dtype, packed, wide, 1)
  if (!Number.isFinite(wide.f32[0])) throw outOfRange(name, `an ${dtype} scale`, scale)
  return packed.u8.slice(0, dtypeBytes[dtype])
}

/** Stored scales, read while the tensor is; those of columns are read at once. */
export interface ScaleReader {
  /** Puts the scale of each element of the next block into `out`. */
  spread(out: Region, from: number, count: number): Promise<void>
  end(): void
  close(): void
}

/** Checks the section's size before it allocates; throws `MalformedError` `E_BAD_ENCODING`. */
export async function openScales(
  kernels: Kernels,
  spec: TensorSpec,
  sections: Pick<Sections, 'bytes' | 'read'>,
  layout: ScaleLayout,
  dtype: WeightDType,
): Promise<ScaleReader> {
  const { count: scales } = layout
  const width = dtypeBytes[dtype]
  const [least, most] = scales === 1 ? [width, width] : valueBytes(scales, dtype)
  checkSize(sections, SCALES, least, most)
  const capacity = layout.byColumn ? layout.columns : scalesPerBlock(layout, blockCapacity(spec))
  const buffers = allocateBuffers(kernels, [capacity * 4, valueScratchBytes(scales)])
  const [wide, scratch] = buffers.regions
  const section = createSectionReader(sections, SCALES)
  const { name } = spec
  const values = createValueReader({ kernels, name, dtype, count: scales, scratch }, section)
  /** The scales in `wide` are those from `first` on, up to `read`. */
  let first = 0
  let read = 0

  async function take(count: number): Promise<void> {
    if (count === 0) return
    const target = sliceRegion(wide, (read - first) * 4, count * 4)
    if (scales === 1) {
      scratch.u8.set(await section.take(width))
      kernels.widen(dtype, scratch, target, 1)
    } else await values.take(target, count)
    checkMagnitudes(target, count)
    read += count
  }

  try {
    // A single scale too, so that a bad one is refused when the tensor is opened.
    if (layout.byColumn || scales === 1) await take(scales)
  } catch (error) {
    buffers[Symbol.dispose]()
    throw error
  }
  return {
    async spread(out, from, count) {
      if (layout.byColumn) {
        kernels.fillColumns(wide, out, count, positionOf(layout, from))
        return
      }
      const range = scaleRange(layout, from, count)
      wide.u32.copyWithin(0, range.first - first, read - first)
      first = range.first
      await take(range.end - read)
      kernels.fillRuns(wide, out, count, range.at)
    },
    end: () => (scales === 1 ? section : values).end(),
    close: () => buffers[Symbol.dispose](),
  }
}

/**
 * The F32 scale of a whole tensor, 0 for an empty one; throws `MalformedError` `E_BAD_ENCODING`.
 */
export async function readMatrixScale({ shape }: TensorSpec, sections: Sections): Promise<number> {
  const bytes = elementsOf(shape) === 0 ? 0 : 4
  checkSize(sections, SCALES, bytes)
  if (bytes === 0) return 0
  const { buffer } = Uint8Array.from(await sections.read(SCALES, 0, bytes))
  const f32 = new Float32Array(buffer)
  checkMagnitudes({ f32, u32: new Uint32Array(buffer) }, 1)
  return f32[0]!
}
