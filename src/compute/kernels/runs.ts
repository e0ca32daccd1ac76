import { holdFloats, holds, type Region } from './region.ts'

/**
 * Where a call begins among elements that share scales: at `column` of a row of `columns`. `run`
 * consecutive elements of a row share a scale, the last of a row may be fewer.
 */
export interface RunPosition {
  readonly column: number
  readonly columns: number
  readonly run: number
}

/** Sums over the elements that share a scale, and scales spread over them. */
export interface RunsKernels {
  /**
   * For each run that these elements touch, from the first on, adds Σ |x| and how many are not zero
   * to a pair of f64 in `sums`; a run's piece of one call is summed as `sumMagnitudes` does.
   */
  sumRuns(x: Region, count: number, at: RunPosition, sums: Region): void
  /** The same for each column, one element after the other. */
  sumColumns(x: Region, count: number, at: Omit<RunPosition, 'run'>, sums: Region): void
  /** Spreads one f32 per run that the elements touch, `scales[0]` being the first's. */
  fillRuns(scales: Region, out: Region, count: number, at: RunPosition): void
  /** Spreads one f32 per column. */
  fillColumns(scales: Region, out: Region, count: number, at: Omit<RunPosition, 'run'>): void
}

/** What assembly/runs.ts exports. */
export interface RunsExports {
  sumRuns(
    x: number,
    count: number,
    column: number,
    columns: number,
    run: number,
    sums: number,
  ): void
  sumColumns(x: number, count: number, column: number, columns: number, sums: number): void
  fillRuns(
    scales: number,
    out: number,
    count: number,
    column: number,
    columns: number,
    run: number,
  ): void
  fillColumns(scales: number, out: number, count: number, column: number, columns: number): void
}

/** The scales that `count` elements from a position on touch. */
export function runsTouched(count: number, { column, columns, run }: RunPosition): number {
  if (count === 0) return 0
  const perRow = Math.ceil(columns / run)
  const last = column + count - 1
  const rows = Math.floor(last / columns)
  return rows * perRow + Math.floor((last % columns) / run) - Math.floor(column / run) + 1
}

export function bindRuns(wasm: RunsExports): RunsKernels {
  return {
    sumRuns(x, count, at, sums) {
      holdFloats(count, x)
      holds(sums, runsTouched(count, at) * PAIR_BYTES)
      wasm.sumRuns(x.pointer, count, at.column, at.columns, at.run, sums.pointer)
    },
    sumColumns(x, count, { column, columns }, sums) {
      holdFloats(count, x)
      holds(sums, columns * PAIR_BYTES)
      wasm.sumColumns(x.pointer, count, column, columns, sums.pointer)
    },
    fillRuns(scales, out, count, at) {
      holdFloats(count, out)
      holds(scales, runsTouched(count, at) * 4)
      wasm.fillRuns(scales.pointer, out.pointer, count, at.column, at.columns, at.run)
    },
    fillColumns(scales, out, count, { column, columns }) {
      holdFloats(count, out)
      holds(scales, columns * 4)
      wasm.fillColumns(scales.pointer, out.pointer, count, column, columns)
    },
  }
}

/** A sum and a count, both f64. */
const PAIR_BYTES = 16
