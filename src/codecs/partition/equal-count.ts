import { allocateBuffers } from '../../compute/buffers.ts'
import type { Kernels } from '../../compute/kernels.ts'
import { createOrderStatistics, orderStatisticsBytes } from '../../compute/order-statistics.ts'
import { elementsOf } from '../../tensors/tensor.ts'
import type { DeltaTensor } from '../index.ts'
import type { Partition } from './partition.ts'

/**
 * Blocks of the elements in order of (|Δ|, index): block j holds those of rank ⌊j·n ÷ M⌋ up to
 * ⌊(j+1)·n ÷ M⌋. Twice the blocks therefore cut every block in two.
 */
export async function equalCount(
  tensor: DeltaTensor,
  blocks: number,
  kernels: Kernels,
): Promise<Partition> {
  const elements = elementsOf(tensor.spec.shape)
  // From the largest element on, as order statistics count.
  const ranks = Array.from(
    { length: blocks - 1 },
    (_, j) => elements - 1 - Math.floor(((blocks - 1 - j) * elements) / blocks),
  )
  using buffers = allocateBuffers(kernels, [orderStatisticsBytes(ranks.length)])
  const statistics = createOrderStatistics(kernels, buffers.regions[0], ranks)
  while (!statistics.done) {
    for await (const { delta, count } of tensor.chunks()) statistics.scan(delta, count)
    statistics.endPass()
  }
  const firsts = statistics
    .value()
    .toReversed()
    .map((first) => first!)
  const below = firsts.map(({ equals, equalsBefore }) => equals - 1 - equalsBefore)
  return {
    borders: firsts.map(({ magnitude }) => magnitude),
    // A border's ties are counted from those of the border before it, if that has the same
    // magnitude.
    ties: firsts.map(({ magnitude }, j) => {
      const isSame = firsts[j - 1]?.magnitude === magnitude
      return below[j]! - (isSame ? below[j - 1]! : 0)
    }),
  }
}
