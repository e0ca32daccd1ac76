/** What every bench of this folder measures and hands to `index.ts`. */
export interface Bench {
  /** What was done, with what, and what the baseline is: what a reader must know to judge a figure. */
  readonly note: string
  readonly figures: readonly Figure[]
  /** Texts for `docs/`, by file name. */
  readonly documents?: Readonly<Record<string, string>>
  /** What the documents were made from: kept in the JSON file. */
  readonly findings?: object
}

export interface BenchOptions {
  /** Small inputs: shows that a bench runs, its figures mean little. */
  readonly quick: boolean
}

export interface Figure {
  readonly what: string
  readonly value: number
  /** `×` is a speed as a multiple of the baseline's, 1 being as fast; `bits` are those of a weight. */
  readonly unit: '×' | 'MB/s' | 'MB' | 'bits' | '%'
  readonly target?: Target
  /** What was measured, in order, and what it is compared with. */
  readonly samples: readonly number[]
  readonly baselineSamples?: readonly number[]
  readonly sampleUnit: string
  /** Of each sample, over all threads: what other work on the machine disturbs least. */
  readonly cpuSeconds?: readonly number[]
  readonly baselineCpuSeconds?: readonly number[]
  /** In one sample, passes over the same bytes counted anew. */
  readonly bytesRead?: number
}

interface Target {
  readonly is: 'at least' | 'at most'
  readonly value: number
}

/**
 * Durations against durations of the baseline, taken in turns. Pairs are compared before the median is
 * taken, because a slow moment of a shared machine then hits both sides of a pair.
 */
export function speedFigure(
  what: string,
  seconds: readonly number[],
  baselineSeconds: readonly number[],
  atLeast?: number,
): Figure {
  const ratios = seconds.map((value, i) => baselineSeconds[i]! / value)
  return {
    what,
    value: median(ratios),
    unit: '×',
    ...(atLeast === undefined ? {} : { target: { is: 'at least', value: atLeast } }),
    samples: seconds,
    baselineSamples: baselineSeconds,
    sampleUnit: 's',
  }
}

/** The same for rates. */
export function rateFigure(
  what: string,
  rates: readonly number[],
  baselineRates: readonly number[],
  sampleUnit: string,
  atLeast?: number,
): Figure {
  const ratios = rates.map((rate, i) => rate / baselineRates[i]!)
  return {
    what,
    value: median(ratios),
    unit: '×',
    ...(atLeast === undefined ? {} : { target: { is: 'at least', value: atLeast } }),
    samples: rates,
    baselineSamples: baselineRates,
    sampleUnit,
  }
}

/** The largest of the samples, which are MB. */
export function memoryFigure(what: string, megabytes: readonly number[], atMost?: number): Figure {
  return {
    what,
    value: Math.max(...megabytes),
    unit: 'MB',
    ...(atMost === undefined ? {} : { target: { is: 'at most', value: atMost } }),
    samples: megabytes,
    sampleUnit: 'MB',
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The most memory that this process has held, in MB. */
export function peakRssMb(): number {
  return (process.resourceUsage().maxRSS * 1024) / 1e6
}
