import { allocateBuffers } from '../../compute/buffers.ts'
import { doublesOf } from '../../compute/doubles-of.ts'
import type { Kernels, Region } from '../../compute/kernels.ts'
import { elementsOf } from '../../tensors/tensor.ts'
import type { DeltaTensor } from '../index.ts'
import { blockCapacity, eachBlock } from '../sections/block.ts'
import {
  elementsOfScale,
  positionOf,
  type ScaleLayout,
  scaleRange,
  scalesPerBlock,
} from './layout.ts'

export interface MeanScales {
  /** The mean magnitude of the elements of each scale, not yet rounded. */
  readonly means: Float64Array
  /** How many elements are zero. */
  readonly zeroCount: number
}

/**
 * Mean magnitudes in f64 by one pass: Σ|Δ| ÷ n, where n counts the elements that are not zero or
 * all of them; 0 where n is 0. A run is summed piece by piece, one piece per block, a column
 * element by element.
 */
export async function meanScales(
  tensor: DeltaTensor,
  layout: ScaleLayout,
  mean: 'all' | 'nonzero',
  kernels: Kernels,
): Promise<MeanScales> {
  const elements = elementsOf(tensor.spec.shape)
  const means = new Float64Array(layout.count)
  const places = layout.byColumn
    ? layout.columns
    : scalesPerBlock(layout, blockCapacity(tensor.spec))
  using buffers = allocateBuffers(kernels, [places * PAIR_BYTES])
  const [sums] = buffers.regions
  const pairs = doublesOf(sums)
  sums.u8.fill(0)

  function finish(index: number, place: number): void {
    const [sum, nonzeros] = [pairs[2 * place]!, pairs[2 * place + 1]!]
    const counted = mean === 'all' ? elementsOfScale(layout, elements, index) : nonzeros
    means[index] = sum / Math.max(1, counted)
  }

  /** Sums the runs of a block; one that goes on in the next stays in the first place. */
  function sumRuns(delta: Region, from: number, count: number): void {
    const { at, first, end } = scaleRange(layout, from, count)
    kernels.sumRuns(delta, count, at, sums)
    const after = (from + count) % layout.columns
    const open = after % layout.run === 0 ? 0 : 1
    for (let index = first; index < end - open; index++) finish(index, index - first)
    const last = (end - first - 1) * PAIR_BYTES
    if (open === 1) sums.u8.copyWithin(0, last, last + PAIR_BYTES)
    sums.u8.fill(0, open * PAIR_BYTES, (end - first) * PAIR_BYTES)
  }

  let zeroCount = 0
  for await (const { from, count, delta } of eachBlock(tensor)) {
    zeroCount += kernels.countMagnitude(delta, count, 0)
    if (layout.byColumn) kernels.sumColumns(delta, count, positionOf(layout, from), sums)
    else sumRuns(delta, from, count)
  }
  if (layout.byColumn) for (let index = 0; index < layout.count; index++) finish(index, index)
  return { means, zeroCount }
}

/** A sum and a count. */
const PAIR_BYTES = 16
