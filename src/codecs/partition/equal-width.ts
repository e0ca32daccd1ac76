import type { Kernels } from '../../compute/kernels.ts'
import type { DeltaTensor } from '../index.ts'
import { borderAt, type Partition } from './partition.ts'

/** Blocks of one width: border j is j · max|Δ| ÷ M in f64. */
export async function equalWidth(
  tensor: DeltaTensor,
  blocks: number,
  kernels: Kernels,
): Promise<Partition> {
  let largest = 0
  for await (const { delta, count } of tensor.chunks()) {
    largest = Math.max(largest, kernels.largestMagnitude(delta, count))
  }
  const top = new Float32Array(Uint32Array.of(largest).buffer)[0]!
  const borders = Array.from({ length: blocks - 1 }, (_, j) => borderAt(((j + 1) * top) / blocks))
  return { borders, ties: borders.map(() => 0) }
}
