import { type RunPosition, runsTouched } from '../../compute/kernels.ts'
import { elementsOf, rowElements } from '../../tensors/tensor.ts'

/**
 * Which elements share a scale. A tensor is read as a matrix: the first dimension counts its rows
 * (outputs), all others together its columns (inputs); a tensor of one dimension or none is one row.
 */
export interface ScaleLayout {
  /** Elements of a row; of the whole tensor for `matrix`. */
  readonly columns: number
  /** Consecutive elements of a row that share a scale; what is left of a row is one more run. */
  readonly run: number
  /** One scale for each column instead of each run. */
  readonly byColumn: boolean
  /** How many scales there are. */
  readonly count: number
}

export function scaleLayout(
  shape: readonly number[],
  { scales, group }: { readonly scales: ScaleKind; readonly group: number },
): ScaleLayout {
  const elements = elementsOf(shape)
  if (elements === 0) return { columns: 1, run: 1, byColumn: false, count: 0 }
  const columns = scales === 'matrix' ? elements : rowElements({ shape })
  if (scales === 'column') return { columns, run: columns, byColumn: true, count: columns }
  const run = scales === 'group' ? Math.min(group, columns) : columns
  return { columns, run, byColumn: false, count: (elements / columns) * Math.ceil(columns / run) }
}

export type ScaleKind = 'matrix' | 'row' | 'column' | 'group'

export function positionOf({ columns, run }: ScaleLayout, element: number): RunPosition {
  return { column: element % columns, columns, run }
}

/** The scales that elements `from … from+count` use, those of runs. */
export function scaleRange(layout: ScaleLayout, from: number, count: number) {
  const at = positionOf(layout, from)
  const perRow = Math.ceil(layout.columns / layout.run)
  const first = Math.floor(from / layout.columns) * perRow + Math.floor(at.column / layout.run)
  return { at, first, end: first + runsTouched(count, at) }
}

/** The most scales that a block of so many elements uses: a row's end adds one to those of whole runs. */
export function scalesPerBlock({ columns, run }: ScaleLayout, elements: number): number {
  return Math.min(elements, Math.ceil(elements / run) + Math.ceil(elements / columns) + 2)
}

/** How many elements share the scale of this index. */
export function elementsOfScale(layout: ScaleLayout, elements: number, index: number): number {
  const { columns, run, byColumn } = layout
  if (byColumn) return elements / columns
  const perRow = Math.ceil(columns / run)
  return Math.min(run, columns - (index % perRow) * run)
}
