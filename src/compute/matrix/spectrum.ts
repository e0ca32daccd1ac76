import type { Matrix } from '../kernels.ts'
import { createLease } from '../lease.ts'
import { decompose, type DecomposeOptions } from './decompose.ts'
import type { MatrixProducts } from './products.ts'

/** What the singular values of a matrix say about it. */
export interface Spectrum {
  /**
   * The leading singular values, the largest first; as many as there are, if fewer than asked for.
   */
  readonly values: readonly number[]
  /** Share of ‖Δ‖² that the first r + 1 values hold, at r. */
  readonly energy: readonly number[]
  /** ‖Δ‖, the root of the sum of all squares. */
  readonly norm: number
  /** ‖Δ‖² ÷ σ₁²: 1 for one direction, the smaller side at most. 0 for a matrix of zeros. */
  readonly stableRank: number
  /**
   * (Σσ²)² ÷ Σσ⁴, how many equal singular values would be as spread out; between the stable rank's
   * neighbour from above and the smaller side. Squares behind the given values count as equal to
   * the last of them, so that it is a lower bound unless all values are given.
   */
  readonly effectiveRank: number
}

/** The spectrum of a matrix that is contiguous row by row. Throws as `decompose` does. */
export async function spectrumOf(
  products: MatrixProducts,
  matrix: Matrix,
  { values: count, signal }: { readonly values: number } & DecomposeOptions,
): Promise<Spectrum> {
  const lease = createLease(products.kernels)
  try {
    const found = await decompose(products, matrix, { rank: count, energy: 1 }, lease, { signal })
    const values = [...found.values.subarray(0, count)]
    const total = found.energy
    let [held, fourths] = [0, 0]
    const energy = values.map((value) => {
      held += value ** 2
      fourths += value ** 4
      return total === 0 ? 0 : Math.min(1, held / total)
    })
    fourths += Math.max(0, total - held) * (values.at(-1) ?? 0) ** 2
    return {
      values,
      energy,
      norm: Math.sqrt(total),
      stableRank: total === 0 ? 0 : total / values[0]! ** 2,
      effectiveRank: total === 0 ? 0 : total ** 2 / fourths,
    }
  } finally {
    await lease.release()
  }
}
