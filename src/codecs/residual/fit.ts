import type { Kernels } from '../../compute/kernels.ts'
import type { DeltaTensor } from '../index.ts'
import type { ScaleLayout } from '../scales/layout.ts'
import { solveNormalEquations } from '../scales/least-squares.ts'
import { type Codebook, greedyCodebook, nearestCodebook, signOf } from './codebook.ts'
import { sumUnits, type UnitSums } from './units.ts'

export type Fit = 'greedy' | 'alternating'

/** How a fit chooses the signs once the scales are known. */
export const codebooks: Readonly<Record<Fit, (scales: ArrayLike<number>) => Codebook>> = {
  greedy: greedyCodebook,
  alternating: nearestCodebook,
}

/** By then a Gaussian's error is within 2 % of where it stops, for up to 4 planes. */
const ROUNDS = 24

/**
 * The scales of each unit, plane by plane. Greedy: α_b is the mean magnitude of what the planes
 * before it leave, one pass each. Alternating: from there, the nearest signs for the scales, then
 * the scales of least squares for the signs, `ROUNDS` times or until nothing changes. f64; each
 * scale is rounded by `round` as soon as it is known.
 */
export async function fitScales(
  tensor: DeltaTensor,
  layout: ScaleLayout,
  { bits, fit, round }: { bits: number; fit: Fit; round: (scale: number) => number },
  kernels: Kernels,
): Promise<Float32Array> {
  const scales = new Float32Array(layout.count * bits)
  const ofUnit = (unit: number) => scales.subarray(unit * bits, (unit + 1) * bits)

  for (let plane = 0; plane < bits; plane++) {
    // The next plane's sign is known before its scale: a scale of 0 splits the elements by it.
    const withNext = (unit: number) => greedyCodebook(ofUnit(unit).subarray(0, plane + 1))
    await sumUnits(tensor, layout, kernels, withNext, (unit, { codes }, sums) => {
      ofUnit(unit)[plane] = round(meanResidual(codes, ofUnit(unit), plane, sums))
    })
  }
  if (fit === 'greedy') return scales

  const nearest = (unit: number) => nearestCodebook(ofUnit(unit))
  for (let turn = 0; turn < ROUNDS; turn++) {
    const before = scales.slice()
    await sumUnits(tensor, layout, kernels, nearest, (unit, { codes }, sums) => {
      const blocks = codes.map((code, block) => [code, sums.sum(block), sums.count(block)] as const)
      ofUnit(unit).set(leastSquares(bits, blocks).map(round))
    })
    if (scales.every((scale, i) => scale === before[i])) break
  }
  return scales
}

/** Mean of |x − Σ ±α| over the first `plane` scales, where bit `plane` of a code is its sign. */
function meanResidual(
  codes: readonly number[],
  scales: Float32Array,
  plane: number,
  sums: UnitSums,
): number {
  let total = 0
  let elements = 0
  for (const [block, code] of codes.entries()) {
    let level = 0
    for (let b = 0; b < plane; b++) level += signOf(code, b) * scales[b]!
    total += signOf(code, plane) * (sums.sum(block) - sums.count(block) * level)
    elements += sums.count(block)
  }
  return Math.max(0, total / elements)
}

/** The scales of least squares for signs that are known: by code, Σx and the number of elements. */
export function leastSquares(
  bits: number,
  byCode: Iterable<readonly [code: number, sum: number, count: number]>,
): Float64Array {
  const gram = new Float64Array(bits * bits)
  const right = new Float64Array(bits)
  for (const [code, sum, count] of byCode) {
    for (let b = 0; b < bits; b++) {
      right[b]! += signOf(code, b) * sum
      for (let c = 0; c < bits; c++) {
        gram[b * bits + c]! += signOf(code, b) * signOf(code, c) * count
      }
    }
  }
  return solveNormalEquations(gram, right)
}
