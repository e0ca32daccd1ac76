import type { Kernels, Region } from '../../compute/kernels.ts'

/** How a delta b stands to a delta a: sums in f64 over their elements. */
export interface Relation {
  readonly elements: number
  /** Σ a² and Σ b² */
  readonly squaresA: number
  readonly squaresB: number
  /** Σ (b − a)², each difference rounded to f32 */
  readonly squaredDifference: number
  /** Σ a·b */
  readonly product: number
}

/** ‖b − a‖ ÷ ‖a‖; `null` when a is zero and b is not. */
export function relativeChange({ squaresA, squaredDifference }: Relation): number | null {
  if (squaredDifference === 0) return 0
  return squaresA === 0 ? null : Math.sqrt(squaredDifference / squaresA)
}

/** The cosine of the angle between a and b; `null` when one of them is zero. */
export function cosine({ squaresA, squaresB, product }: Relation): number | null {
  if (squaresA === 0 || squaresB === 0) return null
  // Rounding may leave a hair more than 1.
  return Math.max(-1, Math.min(1, product / (Math.sqrt(squaresA) * Math.sqrt(squaresB))))
}

export function sumRelations(relations: Iterable<Relation>): Relation {
  const sum = { elements: 0, squaresA: 0, squaresB: 0, squaredDifference: 0, product: 0 }
  for (const each of relations) {
    sum.elements += each.elements
    sum.squaresA += each.squaresA
    sum.squaresB += each.squaresB
    sum.squaredDifference += each.squaredDifference
    sum.product += each.product
  }
  return sum
}

/** Gathers the relation of two deltas from consecutive chunks, which hold whole blocks but the last. */
export interface RelationSum {
  /** `scratch` holds as many f32. */
  add(a: Region, b: Region, scratch: Region, count: number): void
  value(): Relation
}

/** Sums block by block in the order of the elements, so that chunks change no bit of them. */
export function createRelationSum(kernels: Kernels): RelationSum {
  const sum = { elements: 0, squaresA: 0, squaresB: 0, squaredDifference: 0, product: 0 }
  return {
    add(a, b, scratch, count) {
      kernels.subtract(b, a, scratch, count)
      sum.elements += count
      sum.squaresA = kernels.sumSquares(a, count, sum.squaresA)
      sum.squaresB = kernels.sumSquares(b, count, sum.squaresB)
      sum.squaredDifference = kernels.sumSquares(scratch, count, sum.squaredDifference)
      sum.product = kernels.dot(a, b, count, sum.product)
    },
    value: () => ({ ...sum }),
  }
}
