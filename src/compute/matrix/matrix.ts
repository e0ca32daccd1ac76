import type { Matrix, Region } from '../kernels.ts'

/** A region's first rows × columns numbers, row by row. */
export function matrixOf(region: Region, rows: number, columns: number): Matrix {
  return { region, rows, columns, at: 0, rowStep: columns, columnStep: 1 }
}

/** The same numbers with rows and columns exchanged; nothing is copied. */
export function transposed(matrix: Matrix): Matrix {
  const { rows, columns, rowStep, columnStep } = matrix
  return { ...matrix, rows: columns, columns: rows, rowStep: columnStep, columnStep: rowStep }
}

export function rowsOf(matrix: Matrix, from: number, rows: number): Matrix {
  return { ...matrix, rows, at: matrix.at + from * matrix.rowStep }
}

export function columnsOf(matrix: Matrix, from: number, columns: number): Matrix {
  return { ...matrix, columns, at: matrix.at + from * matrix.columnStep }
}
