import { allocateBuffers } from '../../compute/buffers.ts'
import { HIGH_BINS, HISTOGRAM_BYTES, type Kernels, LOW_BINS } from '../../compute/kernels.ts'
import type { DeltaTensor } from '../index.ts'
import type { Partition } from './partition.ts'

/**
 * Blocks of least squared error (the Lloyd–Max quantiser), found as the global optimum instead of
 * by iterations: dynamic programming over a histogram of magnitudes, whose bins are 2⁻⁸ of an
 * octave wide and stand for their middles. Fewer blocks than asked for when fewer bins are used.
 * f64 throughout. Wu, "Optimal quantization by matrix searching", J. Algorithms 12 (1991).
 */
export async function lloydMax(
  tensor: DeltaTensor,
  blocks: number,
  kernels: Kernels,
): Promise<Partition> {
  const bins = await histogramOf(tensor, kernels)
  const cuts = bestCuts(bins, Math.min(blocks, bins.length))
  return { borders: cuts.map((cut) => bins[cut]!.first), ties: cuts.map(() => 0) }
}

interface Bin {
  /** Lowest magnitude, as f32 bits. */
  readonly first: number
  readonly middle: number
  readonly count: number
}

/** The bins that hold elements, by the highest 16 of a magnitude's 31 bits. */
async function histogramOf(tensor: DeltaTensor, kernels: Kernels): Promise<Bin[]> {
  using buffers = allocateBuffers(kernels, [HISTOGRAM_BYTES])
  const [counts] = buffers.regions
  counts.u8.fill(0)
  for await (const { delta, count } of tensor.chunks()) kernels.histogramHigh(delta, count, counts)
  const bins: Bin[] = []
  const middles = new Float32Array(Uint32Array.from({ length: HIGH_BINS }, middleBits).buffer)
  for (let bin = 0; bin < HIGH_BINS; bin++) {
    const count = counts.u32[bin]! + counts.u32[bin + HIGH_BINS]!
    if (count > 0) bins.push({ first: bin * LOW_BINS, middle: middles[bin]!, count })
  }
  return bins
}

function middleBits(_: unknown, bin: number): number {
  return (bin + 0.5) * LOW_BINS
}

/** The bins before which to cut for the least Σ count · (middle − mean of its block)². */
function bestCuts(bins: readonly Bin[], blocks: number): number[] {
  const end = bins.length
  const [weight, first, second] = momentsBefore(bins)
  /** Squared error of bins `from … to−1` in one block. */
  const errorOf = (from: number, to: number): number => {
    const sum = first[to]! - first[from]!
    return second[to]! - second[from]! - (sum * sum) / (weight[to]! - weight[from]!)
  }

  // least[to]: of the bins before `to` in as many blocks as the round says; lastCut where the last
  // begins.
  let least = Float64Array.from({ length: end + 1 }, (_, to) => (to === 0 ? 0 : errorOf(0, to)))
  const lastCuts: Uint16Array[] = []
  for (let round = 2; round <= blocks; round++) {
    const before = least
    const lastCut = new Uint16Array(end + 1)
    least = new Float64Array(end + 1).fill(Infinity)
    // The best cut never moves down as `to` grows, so the middle one bounds both halves.
    const solve = (low: number, high: number, cutLow: number, cutHigh: number): void => {
      if (low > high) return
      const to = (low + high) >> 1
      for (let cut = cutLow; cut <= Math.min(cutHigh, to - 1); cut++) {
        const error = before[cut]! + errorOf(cut, to)
        if (error >= least[to]!) continue
        least[to] = error
        lastCut[to] = cut
      }
      solve(low, to - 1, cutLow, lastCut[to]!)
      solve(to + 1, high, lastCut[to]!, cutHigh)
    }
    solve(round, end, round - 1, end - 1)
    lastCuts.push(lastCut)
  }

  const cuts: number[] = []
  for (let to = end, round = lastCuts.length; round > 0; round--) {
    to = lastCuts[round - 1]![to]!
    cuts.unshift(to)
  }
  return cuts
}

/** Σ count, Σ count · middle and Σ count · middle² of the bins before each. */
function momentsBefore(bins: readonly Bin[]): readonly [Float64Array, Float64Array, Float64Array] {
  const moments = [0, 1, 2].map(() => new Float64Array(bins.length + 1))
  const [weight, first, second] = moments as [Float64Array, Float64Array, Float64Array]
  for (const [i, { middle, count }] of bins.entries()) {
    weight[i + 1] = weight[i]! + count
    first[i + 1] = first[i]! + count * middle
    second[i + 1] = second[i]! + count * middle * middle
  }
  return [weight, first, second]
}
