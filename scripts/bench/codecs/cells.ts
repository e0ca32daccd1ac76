import { markdownTable } from '../markdown-table.ts'
import type { LossChange } from './own-task.ts'

/** How numbers and tables of `docs/codecs.md` and `docs/operators.md` are spelled. */

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return markdownTable([head, ...rows])
}

export function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 })
}

export function fixed(value: number, digits: number): string {
  const text = value.toFixed(digits)
  return Number(text) === 0 ? (0).toFixed(digits) : text
}

export function signed(value: number): string {
  const text = fixed(value, 4)
  return Number(text) > 0 ? `+${text}` : text
}

/** The cells `loss`, `95 % interval` and `class`. */
export function changeCells({ difference, interval95, class: kind }: LossChange): string[] {
  const { lower, upper } = interval95
  return [signed(difference), `${signed(lower)} to ${signed(upper)}`, kind]
}

export const CHANGE_HEAD = ['loss change', '95 % interval', 'class'] as const
