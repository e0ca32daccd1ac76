import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { HISTOGRAM_BYTES, type Kernels, type Region } from '../../src/compute/kernels.ts'
import { extraCapacity } from '../../src/compute/kernels/ordered.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRandom, dropThreshold } from '../../src/random.ts'
import { type Bench, type BenchOptions, type Figure, rateFigure } from './figure.ts'

/**
 * Each kernel, on one thread and on two, against a copy in the same memory by as many threads. Rates
 * are bytes that must be read plus bytes that must be written per second; every sample of a kernel
 * follows a sample of the copy, so that both meet the same neighbours on the machine.
 */

const ELEMENTS = 16 * 2 ** 20
const SAMPLES = 7

/** What another thread takes to start, and more. */
const START_MS = 500

/** Of the copy's rate, at least, on two threads. */
const TARGETS: Readonly<Record<string, number>> = {
  addScaled: 0.7,
  keepLargest: 0.7,
  packSigns: 0.7,
  widenBf16: 0.7,
  narrowBf16: 0.4,
  widenF16: 0.4,
  unpackSigns: 0.4,
  electAndMerge3: 0.3,
  maskedScale: 0.15,
}

export async function run({ quick }: BenchOptions): Promise<Bench> {
  const samples = quick ? 2 : SAMPLES
  return {
    note:
      '16 Mi elements. The baseline is a copy in the same memory by as many threads; rates count the ' +
      'bytes that must be read and written.',
    figures: [...(await measure(1, samples)), ...(await measure(2, samples))],
  }
}

async function measure(threads: number, samples: number): Promise<Figure[]> {
  await using k = openKernels({ threads })
  const { kernels, copy } = createCases(k)
  copy()
  await sleep(START_MS)
  return Object.entries(kernels).map(([name, { bytes, work }]) => {
    const rates: number[] = []
    const copyRates: number[] = []
    work()
    for (let i = 0; i < samples; i++) {
      copyRates.push(rate(8, copy))
      rates.push(rate(bytes, work))
    }
    return threads === 1
      ? rateFigure(name, rates, copyRates, 'GB/s')
      : rateFigure(`${name}, ${threads} threads`, rates, copyRates, 'GB/s', TARGETS[name])
  })
}

interface Case {
  /** Read and written per element. */
  readonly bytes: number
  readonly work: () => unknown
}

function createCases(k: Kernels): { copy: () => void; kernels: Record<string, Case> } {
  const n = ELEMENTS
  const floats = () => k.allocate(n * 4)
  const [a, b, c, out] = [floats(), floats(), floats(), floats()]
  const [half, otherHalf] = [k.allocate(n * 2), k.allocate(n * 2)]
  const bits = k.allocate(n / 8)
  for (const [name, region] of Object.entries({ a, b, c })) fill(region, name)
  k.narrow('BF16', a, half, n)
  k.narrow('BF16', b, otherHalf, n)
  k.packSigns(a, bits, n)

  const mask = {
    key: [1, 2],
    from: 0,
    threshold: dropThreshold(0.9),
    kept: 10,
    dropped: 0,
  } as const
  const merge = { weights: [1, 1, 1], weighted: true, zeroSign: 1, lambda: 1 } as const
  const counts = k.allocate(HISTOGRAM_BYTES)
  const median = 0x3f000000
  const contexts = k.allocate(n)
  const split = { symbols: k.allocate(n), contexts, extra: k.allocate(extraCapacity('F32', n)) }
  const map = k.allocate(256)

  return {
    copy: () => k.widen('F32', a, out, n),
    kernels: {
      widenBf16: { bytes: 6, work: () => k.widen('BF16', half, out, n) },
      widenF16: { bytes: 6, work: () => k.widen('F16', half, out, n) },
      narrowBf16: { bytes: 6, work: () => k.narrow('BF16', a, out, n) },
      narrowF16: { bytes: 6, work: () => k.narrow('F16', a, out, n) },
      differenceBf16: { bytes: 8, work: () => k.difference('BF16', half, otherHalf, out, n) },
      differenceF16: { bytes: 8, work: () => k.difference('F16', half, otherHalf, out, n) },
      appliedBf16: { bytes: 8, work: () => k.applied('BF16', half, a, 'BF16', out, n) },
      subtract: { bytes: 12, work: () => k.subtract(a, b, out, n) },
      add: { bytes: 12, work: () => k.add(a, b, out, n) },
      scale: { bytes: 8, work: () => k.scale(a, out, n, 0.5) },
      addScaled: { bytes: 12, work: () => k.addScaled(a, out, n, 1e-9) },
      maskedScale: { bytes: 8, work: () => k.maskedScale(a, out, n, mask) },
      maskBits: { bytes: 1 / 8, work: () => k.maskBits(out, n, mask) },
      keepLargest: { bytes: 8, work: () => k.keepLargest(a, out, n, median, 1000) },
      histogramHigh: { bytes: 4, work: () => k.histogramHigh(a, n, counts) },
      histogramLow: { bytes: 4, work: () => k.histogramLow(a, n, median >> 15, counts) },
      countMagnitude: { bytes: 4, work: () => k.countMagnitude(a, n, median) },
      electAndMerge3: {
        bytes: 16,
        work: () => k.electAndMerge([a, b, c], out, n, { ...merge, normalize: true }),
      },
      packSigns: { bytes: 4 + 1 / 8, work: () => k.packSigns(a, out, n) },
      unpackSigns: { bytes: 4 + 1 / 8, work: () => k.unpackSigns(bits, out, n, 0.01) },
      packNonzero: { bytes: 4 + 1 / 8, work: () => k.packNonzero(a, out, n) },
      clearByBits: { bytes: 8 + 1 / 8, work: () => k.clearByBits(bits, out, n) },
      compact: { bytes: 6 + 1 / 8, work: () => k.compact(a, bits, out, n) },
      expand: { bytes: 6 + 1 / 8, work: () => k.expand(a, bits, out, n) },
      countBits: { bytes: 1 / 8, work: () => k.countBits(bits, n) },
      sumMagnitudes: { bytes: 4, work: () => k.sumMagnitudes(a, n) },
      sumSquares: { bytes: 4, work: () => k.sumSquares(a, n) },
      dot: { bytes: 8, work: () => k.dot(a, b, n) },
      firstNonFinite: { bytes: 4, work: () => k.firstNonFinite(a, n) },
      splitDifferenceBf16: {
        bytes: 6,
        work: () => k.splitDifference('BF16', half, otherHalf, map, split, n),
      },
      splitDifferenceF32: { bytes: 10, work: () => k.splitDifference('F32', a, b, map, split, n) },
      exponentsBf16: { bytes: 3, work: () => k.exponents('BF16', half, map, contexts, n) },
    },
  }
}

/** A pattern of 4096 normals, over and over: what matters here is only how varied they are. */
function fill(region: Region, name: string): void {
  const random = createRandom('bench', name)
  const pattern = Float32Array.from({ length: 4096 }, () => random.normal())
  for (let at = 0; at < ELEMENTS; at += pattern.length) region.f32.set(pattern, at)
}

/** GB/s of one call that moves `bytes` per element. */
function rate(bytes: number, work: () => unknown): number {
  const start = performance.now()
  work()
  return (bytes * ELEMENTS) / (performance.now() - start) / 1e6
}
