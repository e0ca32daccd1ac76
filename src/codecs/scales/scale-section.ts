import type { Kernels, Region } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { dtypeBytes, type WeightDType } from '../../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { Sections, SectionSink } from '../index.ts'
import { allocateBuffers, blockCapacity } from '../sections/block.ts'
import { checkMagnitudes, checkSize, outOfRange } from '../sections/encoding.ts'
import { createSectionReader } from '../sections/section-reader.ts'
import { positionOf, type ScaleLayout, scaleRange, scalesPerBlock } from './layout.ts'

/**
 * Section: the scales in order (of rows from the first to the last, of a row's groups from left to
 * right), each a finite number in the dtype of the scales, and ≥ 0 where signs are stored besides.
 */
export const SCALES = 'scale'

/**
 * The section's bytes: scales rounded to f32 and then to nearest even in their dtype. Throws
 * `IncompatibleError` `E_VALUE_RANGE` when one is too large.
 */
export function encodeScales(
  kernels: Kernels,
  { name }: TensorSpec,
  dtype: WeightDType,
  scales: Float32Array | Float64Array,
): Uint8Array {
  const width = dtypeBytes[dtype]
  const bytes = new Uint8Array(scales.length * width)
  using buffers = allocateBuffers(kernels, [PIECE * 4, PIECE * width])
  const [wide, packed] = buffers.regions
  for (let at = 0; at < scales.length; at += PIECE) {
    const piece = scales.subarray(at, at + PIECE)
    wide.f32.set(piece)
    kernels.narrow(dtype, wide, packed, piece.length)
    kernels.widen(dtype, packed, wide, piece.length)
    const bad = kernels.firstNonFinite(wide, piece.length)
    if (bad >= 0) throw outOfRange(name, `an ${dtype} scale`, piece[bad])
    bytes.set(packed.u8.subarray(0, piece.length * width), at * width)
  }
  return bytes
}

/** Scales rounded at once. */
const PIECE = 16_384

/** Stores the section, none for an empty tensor. */
export async function storeScales(
  kernels: Kernels,
  spec: TensorSpec,
  dtype: WeightDType,
  scales: Float32Array | Float64Array,
  sink: SectionSink,
): Promise<void> {
  const bytes = encodeScales(kernels, spec, dtype, scales)
  if (bytes.length > 0) await sink(SCALES, bytes)
}

/** Stored scales ≥ 0, read while the tensor is; those of columns are read at once. */
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
  const width = dtypeBytes[dtype]
  checkSize(sections, SCALES, layout.count * width)
  const capacity = layout.byColumn ? layout.columns : scalesPerBlock(layout, blockCapacity(spec))
  const buffers = allocateBuffers(kernels, [capacity * 4, capacity * width])
  const [wide, packed] = buffers.regions
  const reader = createSectionReader(sections, SCALES)
  /** The scales in `wide` are those from `first` on, up to `read`. */
  let first = 0
  let read = 0

  async function take(count: number): Promise<void> {
    if (count === 0) return
    packed.u8.set(await reader.take(count * width))
    const target = sliceRegion(wide, (read - first) * 4, count * 4)
    kernels.widen(dtype, packed, target, count)
    checkMagnitudes(target, count)
    read += count
  }

  try {
    // A single scale too, so that a bad one is refused when the tensor is opened.
    if (layout.byColumn || layout.count === 1) await take(layout.count)
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
    end: () => reader.end(),
    close: () => buffers[Symbol.dispose](),
  }
}

/** The F32 scale of a whole tensor, 0 for an empty one; throws `MalformedError` `E_BAD_ENCODING`. */
export async function readMatrixScale({ shape }: TensorSpec, sections: Sections): Promise<number> {
  const bytes = elementsOf(shape) === 0 ? 0 : 4
  checkSize(sections, SCALES, bytes)
  if (bytes === 0) return 0
  const { buffer } = Uint8Array.from(await sections.read(SCALES, 0, bytes))
  const f32 = new Float32Array(buffer)
  checkMagnitudes({ f32, u32: new Uint32Array(buffer) }, 1)
  return f32[0]!
}
