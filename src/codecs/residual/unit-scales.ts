import { allocateBuffers } from '../../compute/buffers.ts'
import { BLOCK_VALUES_BYTES, type Kernels, type Region } from '../../compute/kernels.ts'
import { sliceRegion } from '../../compute/slice-region.ts'
import { dtypeBytes, type WeightDType } from '../../tensors/dtype.ts'
import type { TensorSpec } from '../../tensors/tensor.ts'
import type { SectionSink } from '../index.ts'
import type { ScaleLayout } from '../scales/layout.ts'
import { blockCapacity } from '../sections/block.ts'
import type { SectionReader } from '../sections/section-reader.ts'
import { levelsOf } from './codebook.ts'
import type { StoredResidual } from './parameters.ts'
import { type Piece, piecesOf } from './units.ts'

/** Section: for each unit in order its scales α₀ … α_{B−1}, in the dtype of the scales. */
export const SCALES = 'scale'

/** Rounds a number to f32 and then to nearest even in `dtype`; ±∞ when that is too small. */
export function createRounding(
  kernels: Kernels,
  dtype: WeightDType,
): Disposable & { readonly round: (scale: number) => number } {
  const buffers = allocateBuffers(kernels, [4, 4])
  const [wide, packed] = buffers.regions
  return {
    round(scale) {
      wide.f32[0] = scale
      kernels.narrow(dtype, wide, packed, 1)
      kernels.widen(dtype, packed, wide, 1)
      return wide.f32[0]
    },
    [Symbol.dispose]: () => buffers[Symbol.dispose](),
  }
}

/** Stores scales that are values of their dtype. */
export async function storeScales(
  kernels: Kernels,
  dtype: WeightDType,
  scales: Float32Array,
  sink: SectionSink,
): Promise<void> {
  const bytes = scales.length * dtypeBytes[dtype]
  using buffers = allocateBuffers(kernels, [scales.length * 4, bytes])
  const [wide, packed] = buffers.regions
  wide.f32.set(scales)
  kernels.narrow(dtype, wide, packed, scales.length)
  if (bytes > 0) await sink(SCALES, packed.u8.subarray(0, bytes))
}

/** Stored scales, one unit after the other; throws `MalformedError` when they end early or late. */
export interface ScaleReader extends Disposable {
  next(): Promise<Float32Array>
  end(): void
}

export function createScaleReader(
  kernels: Kernels,
  reader: SectionReader,
  { bits, scaleDtype }: StoredResidual,
): ScaleReader {
  const buffers = allocateBuffers(kernels, [bits * 4, bits * 4])
  const [wide, packed] = buffers.regions
  return {
    async next() {
      packed.u8.set(await reader.take(bits * dtypeBytes[scaleDtype]))
      kernels.widen(scaleDtype, packed, wide, bits)
      return wide.f32.subarray(0, bits)
    },
    end: () => reader.end(),
    [Symbol.dispose]: () => buffers[Symbol.dispose](),
  }
}

/** Turns a block's codes into values, unit by unit. */
export interface LevelDecoder extends Disposable {
  /** Called in order from the first block to the last. */
  decode(codes: Region, out: Region, from: number, count: number): Promise<void>
}

/**
 * `scalesOf` gives a unit's scales, asked for once, in order; throws what `notFinite` makes when a
 * level overflows f32.
 */
export function createLevelDecoder(
  kernels: Kernels,
  spec: TensorSpec,
  layout: ScaleLayout,
  scalesOf: (unit: number) => ArrayLike<number> | Promise<ArrayLike<number>>,
  notFinite: (level: number) => Error,
): LevelDecoder {
  const buffers = allocateBuffers(kernels, [BLOCK_VALUES_BYTES, blockCapacity(spec)])
  const [levels, own] = buffers.regions

  async function begin({ unit }: Piece): Promise<void> {
    const found = levelsOf(await scalesOf(unit))
    const bad = found.find((level) => !Number.isFinite(level))
    if (bad !== undefined) throw notFinite(bad)
    levels.f32.set(found)
  }

  return {
    async decode(codes, out, from, count) {
      for (const piece of piecesOf(layout, from, count)) {
        if (piece.begins) await begin(piece)
        own.u8.set(codes.u8.subarray(piece.at, piece.at + piece.count))
        const target = sliceRegion(out, piece.at * 4, piece.count * 4)
        kernels.lookUpBlocks(own, levels, target, piece.count)
      }
    },
    [Symbol.dispose]: () => buffers[Symbol.dispose](),
  }
}
