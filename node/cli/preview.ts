import type { EditFigures, EditPreview } from '../roles/edit-preview.ts'
import { formatFigure, formatShare } from './figures.ts'
import { formatBytes, type Output } from './output.ts'

const columns = ['edit', 'intensity', 'expected', 'change', 'cosine', 'tensors', 'weights']

/** What an edit would do and cost: one row per step, then what the whole takes. */
export function printPreview(preview: EditPreview, output: Output): void {
  const { steps, whole, delta, measured, materialised, memory, time } = preview
  const rows = steps.map(({ operator, expectedIntensity, ...figures }) =>
    rowOf(operator, figures, expectedIntensity, delta.tensors),
  )
  if (steps.length > 1) rows.push(rowOf('together', whole, null, delta.tensors))
  output.table(columns, rows)
  output.line(
    measured.tensors === delta.tensors
      ? `measured over all ${delta.tensors} tensors of the delta`
      : `measured over ${measured.tensors} of ${delta.tensors} tensors, ${formatShare(measured.elements / delta.elements)} of the weights`,
  )
  for (const line of passedThrough(preview)) output.line(line)
  const basis = materialised.basis === 'measured' ? '' : ', estimated'
  output.line(
    `stored as ${materialised.codec} it would take ${formatBytes(materialised.bytes)}, ` +
      `${materialised.bpw.toPrecision(3)} bits per weight${basis}`,
  )
  output.line(
    `needs ${formatBytes(memory.plan)} beside the ${formatBytes(memory.process)} of the process, ` +
      `${secondsText(time.seconds)} a pass${time.basis === 'measured' ? '' : ', estimated'}`,
  )
}

function rowOf(
  name: string,
  { intensity, change, cosine, tensors, share }: EditFigures,
  expected: number | null,
  all: number,
): string[] {
  return [
    name,
    formatFigure(intensity),
    formatFigure(expected),
    formatFigure(change),
    formatFigure(cosine),
    `${tensors} of ${all}`,
    formatShare(share),
  ]
}

/** Names that are spelt out; `--json` has all. */
const SHOWN = 3

/**
 * What is left as it is, so that nothing is skipped without a word; edits of one scope together.
 */
function passedThrough({ steps, untouched }: EditPreview): string[] {
  const lines: string[] = []
  for (const [scope, group] of Map.groupBy(steps, (step) => step.scope)) {
    const { passes } = group[0]!
    if (passes.length === 0) continue
    const names = passes.slice(0, SHOWN).join(', ')
    const more = passes.length > SHOWN ? ` and ${passes.length - SHOWN} more` : ''
    lines.push(
      `${group.map(({ operator }) => operator).join(', ')} (scope ${scope}): ` +
        `${passes.length} tensors outside the scope pass through: ${names}${more}`,
    )
  }
  if (untouched > 0)
    lines.push(`${untouched} tensors are the base's: the delta does not touch them`)
  return lines
}

function secondsText(seconds: number): string {
  return seconds < 0.1 ? '< 0.1 s' : `${seconds.toPrecision(2)} s`
}
