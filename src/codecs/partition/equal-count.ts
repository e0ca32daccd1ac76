import type { Kernels } from '../../compute/kernels.ts'
import { createOrderStatistics } from '../../compute/order-statistics.ts'
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
  const ranks = Array.from({ length: blocks - 1 }, (_, j) =>
    Math.floor(((j + 1) * elements) / blocks),
  )
  if (ranks.length === 0) return { borders: [], ties: [] }
  using statistics = createOrderStatistics(kernels, ranks)
  while (!statistics.done) {
    for await (const { delta, count } of tensor.chunks()) statistics.scan(delta, count)
    statistics.endPass()
  }
  const found = statistics.value()
  return {
    borders: found.map(({ magnitude }) => magnitude),
    // A border's ties are counted from those of the border before it, if that has the same magnitude.
    ties: found.map(({ magnitude, equalsBefore }, j) => {
      const previous = found[j - 1]
      return equalsBefore - (previous?.magnitude === magnitude ? previous.equalsBefore : 0)
    }),
  }
}
