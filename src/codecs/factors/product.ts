import type { Kernels, Matrix, Region } from '../../compute/kernels.ts'
import { columnsOf, rowsOf } from '../../compute/matrix/matrix.ts'

/** A matrix as scale · left · right; both factors are contiguous row by row. */
export interface ScaledProduct {
  readonly left: Matrix
  readonly right: Matrix
  readonly scale: number
}

/**
 * Elements `from … from+count` of the matrix, row by row, into `out`: `Kernels.multiply`, then
 * times `scale` in f32. `packs` as there.
 */
export function productElements(
  kernels: Kernels,
  { left, right, scale }: ScaledProduct,
  out: Region,
  from: number,
  count: number,
  packs: Region,
): void {
  const { columns } = right
  const end = from + count
  for (let at = from; at < end;) {
    const row = Math.floor(at / columns)
    const column = at - row * columns
    // The rest of a row, or all whole rows that are left, or the beginning of one.
    const rows = column === 0 ? Math.max(1, Math.floor((end - at) / columns)) : 1
    const width = Math.min(columns - column, end - at)
    const part = {
      region: out,
      rows,
      columns: width,
      at: at - from,
      rowStep: columns,
      columnStep: 1,
    }
    kernels.multiply(rowsOf(left, row, rows), columnsOf(right, column, width), part, packs)
    at += rows * width
  }
  if (scale !== 1) kernels.scale(out, out, count, scale)
}
