import { type Kernels, type Region } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { dtypeBytes, type WeightDType } from '../../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { Sections, SectionSink } from '../index.ts'
import { allocateBuffers, blockCapacity } from '../sections/block.ts'
import { badEncoding, checkSize, outOfRange } from '../sections/encoding.ts'
import { decodeScale, SCALE_BYTES } from '../sections/scale.ts'
import { createSectionReader } from '../sections/section-reader.ts'
import { positionOf, type ScaleLayout, scaleRange } from './layout.ts'

/**
 * Section `scale`: the scales in order (of rows from the first to the last, of a row's groups from
 * left to right), each a finite number ≥ 0 in the dtype of the scales.
 */
const SCALE = 'scale'

/** Scales on their way to storage. */
export interface ScaleWriter extends Disposable {
  /** Puts the scale of each element into `out`. */
  spread(out: Region, from: number, count: number): void
  store(sink: SectionSink): Promise<void>
}

/**
 * Rounds scales to f32 and then to nearest even in their dtype; what `spread` gives is f32 of that.
 * Throws `IncompatibleError` `E_VALUE_RANGE` when one is too large.
 */
export function createScaleWriter(
  kernels: Kernels,
  { name }: TensorSpec,
  layout: ScaleLayout,
  dtype: WeightDType,
  scales: Float64Array,
): ScaleWriter {
  const width = dtypeBytes[dtype]
  const buffers = allocateBuffers(kernels, [layout.count * 4, layout.count * width])
  const [wide, packed] = buffers.regions
  wide.f32.set(scales)
  kernels.narrow(dtype, wide, packed, layout.count)
  kernels.widen(dtype, packed, wide, layout.count)
  const bad = kernels.firstNonFinite(wide, layout.count)
  if (bad >= 0) {
    buffers[Symbol.dispose]()
    throw outOfRange(name, `an ${dtype} scale`, scales[bad])
  }
  return {
    spread(out, from, count) {
      if (layout.byColumn) {
        kernels.fillColumns(wide, out, count, positionOf(layout, from))
        return
      }
      const { at, first, end } = scaleRange(layout, from, count)
      kernels.fillRuns(sliceRegion(wide, first * 4, (end - first) * 4), out, count, at)
    },
    async store(sink) {
      if (layout.count > 0) await sink(SCALE, packed.u8.subarray(0, layout.count * width))
    },
    [Symbol.dispose]: () => buffers[Symbol.dispose](),
  }
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
  sections: Sections,
  layout: ScaleLayout,
  dtype: WeightDType,
): Promise<ScaleReader> {
  const width = dtypeBytes[dtype]
  checkSize(sections, SCALE, layout.count * width)
  const capacity = layout.byColumn ? layout.columns : blockCapacity(spec)
  const buffers = allocateBuffers(kernels, [capacity * 4, capacity * width])
  const [wide, packed] = buffers.regions
  const reader = createSectionReader(sections, SCALE)
  /** The window's last scale, and where the next begins. */
  let read = 0

  async function take(place: number, count: number): Promise<void> {
    if (count === 0) return
    packed.u8.set(await reader.take(count * width))
    const target = sliceRegion(wide, place * 4, count * 4)
    kernels.widen(dtype, packed, target, count)
    for (let i = 0; i < count; i++) {
      if (target.u32[i]! >= INFINITY_BITS) {
        throw badEncoding('scale out of range', 'a finite number ≥ 0', target.f32[i])
      }
    }
    read += count
  }

  try {
    // At once for a single scale too, so that a bad one is refused when the tensor is opened.
    if (layout.byColumn || layout.count === 1) await take(0, layout.count)
  } catch (error) {
    buffers[Symbol.dispose]()
    throw error
  }
  let first = 0
  return {
    async spread(out, from, count) {
      if (layout.byColumn) {
        kernels.fillColumns(wide, out, count, positionOf(layout, from))
        return
      }
      const range = scaleRange(layout, from, count)
      const kept = read - range.first
      if (kept > 0) wide.u32.copyWithin(0, range.first - first, read - first)
      first = range.first
      await take(kept, range.end - read)
      kernels.fillRuns(wide, out, count, range.at)
    },
    end: () => reader.end(),
    close: () => buffers[Symbol.dispose](),
  }
}

/** The F32 scale of a whole tensor, 0 for an empty one; throws `MalformedError` `E_BAD_ENCODING`. */
export async function readMatrixScale({ shape }: TensorSpec, sections: Sections): Promise<number> {
  const bytes = elementsOf(shape) === 0 ? 0 : SCALE_BYTES
  checkSize(sections, SCALE, bytes)
  return bytes === 0 ? 0 : decodeScale(await sections.read(SCALE, 0, bytes))
}

/** f32 patterns from here on are infinite, not numbers, or have a sign. */
const INFINITY_BITS = 0x7f800000
