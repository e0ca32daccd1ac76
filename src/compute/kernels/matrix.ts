import { InvalidInputError } from '../../errors.ts'
import { holds, type Region } from './region.ts'
import type { Splits } from './split.ts'

/**
 * Room of a product for packed blocks of its factors and one tile, as assembly/pack.ts lays it out.
 */
export const PACK_BYTES = (8192 + 32_768) * 4 + 128

/** Products of matrices in f32, and of vectors with each other in f64. */
export interface MatrixKernels {
  /**
   * out = left · right. Each element is ((0 + l₀·r₀) + l₁·r₁) + … in the order of the inner index,
   * every product and sum rounded to f32: the same bytes however the matrices are cut. `out` is row
   * by row and overlaps neither factor; `packs` has `PACK_BYTES` that are anything before and
   * after.
   */
  multiply(left: Matrix, right: Matrix, out: Matrix, packs: Region): void
  /**
   * The products of all pairs of rows of `x`, rows × rows f64 in `out`, of which it gives a view:
   * exact products, summed in f64 in a fixed order.
   */
  gram(x: Matrix, out: Region, packs: Region): Float64Array
}

/**
 * Numbers of a region as a matrix: element (i, j) is the f32 at `at + rowStep · i + columnStep ·
 * j`. One of the two steps is 1.
 */
export interface Matrix {
  readonly region: Region
  readonly rows: number
  readonly columns: number
  readonly at: number
  readonly rowStep: number
  readonly columnStep: number
}

/** What assembly/matrix.ts exports; steps in bytes. */
export interface MatrixExports {
  multiply(
    left: number,
    leftRow: number,
    leftInner: number,
    right: number,
    rightInner: number,
    rightColumn: number,
    out: number,
    outRow: number,
    rows: number,
    inner: number,
    columns: number,
    packs: number,
  ): void
  /** Rows `first` … `first + count` of the result. */
  gram(
    x: number,
    vector: number,
    element: number,
    first: number,
    count: number,
    size: number,
    inner: number,
    out: number,
    packs: number,
  ): void
}

/** Products of two elements in f32, and in f64, in the time of a copy of a float. */
const [PRODUCTS, EXACT_PRODUCTS] = [3, 1]

export const matrixSplits: Splits<MatrixExports> = {
  multiply: {
    moves: ({ 1: leftRow, 7: outRow }) =>
      [leftRow!, 0, 0, 0, 0, 0, outRow!, 0, 'count', 0, 0, 'room'] as const,
    work: ({ 9: inner, 10: columns }) => (inner! * columns!) / PRODUCTS,
    // Each piece packs the right factor again, which costs as much as one row.
    grain: 128,
  },
  gram: {
    moves: [0, 0, 0, 'first', 'count', 0, 0, 0, 'room'],
    work: ({ 5: size, 6: inner }) => (size! * inner!) / 2 / EXACT_PRODUCTS,
    grain: 16,
  },
}

export function bindMatrix(wasm: MatrixExports): MatrixKernels {
  return {
    multiply(left, right, out, packs) {
      for (const each of [left, right, out]) holdMatrix(each)
      holds(packs, PACK_BYTES)
      const { rows, columns } = out
      const fits = left.rows === rows && right.columns === columns && left.columns === right.rows
      if (!fits || out.columnStep !== 1) {
        throw unfit(`${spell(left)} · ${spell(right)} = ${spell(out)}`)
      }
      wasm.multiply(
        pointerOf(left),
        left.rowStep * 4,
        left.columnStep * 4,
        pointerOf(right),
        right.rowStep * 4,
        right.columnStep * 4,
        pointerOf(out),
        out.rowStep * 4,
        rows,
        left.columns,
        columns,
        packs.pointer,
      )
    },
    gram(x, out, packs) {
      const { rows, columns, rowStep, columnStep } = x
      holdMatrix(x)
      holds(out, rows * rows * 8)
      holds(packs, PACK_BYTES)
      wasm.gram(
        pointerOf(x),
        rowStep * 4,
        columnStep * 4,
        0,
        rows,
        rows,
        columns,
        out.pointer,
        packs.pointer,
      )
      const sums = new Float64Array(out.u8.buffer, out.pointer, rows * rows)
      for (let i = 1; i < rows; i++) {
        for (let j = 0; j < i; j++) sums[i * rows + j] = sums[j * rows + i]!
      }
      return sums
    },
  }
}

function pointerOf({ region, at }: Matrix): number {
  return region.pointer + at * 4
}

function holdMatrix(matrix: Matrix): void {
  const { region, rows, columns, at, rowStep, columnStep } = matrix
  if (Math.min(rowStep, columnStep) !== 1 && rows > 1 && columns > 1) throw unfit(spell(matrix))
  if (rows === 0 || columns === 0) return
  holds(region, (at + rowStep * (rows - 1) + columnStep * (columns - 1) + 1) * 4)
}

function spell({ rows, columns }: Matrix): string {
  return `${rows} × ${columns}`
}

function unfit(actual: string): InvalidInputError {
  return new InvalidInputError('E_SHAPE', `expected matrices that fit, got ${actual}`, {
    expected: 'left m × k, right k × n and out m × n, whose rows or columns are contiguous',
    actual,
  })
}
