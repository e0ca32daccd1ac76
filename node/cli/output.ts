import pc from 'picocolors'
import Table from 'cli-table3'
import { colourWanted } from '../config.ts'
import { harmless, printable } from '../errors.ts'
import type { JobProgress } from '../job-options.ts'
import { createPacer, formatDuration, type Pace } from './pace.ts'

/**
 * Where a verb's answer goes: stdout holds the answer and nothing else, stderr everything that is
 * about it. `--json` prints one document, `-q` ids only.
 */
export interface Output {
  readonly mode: 'human' | 'json' | 'quiet'
  readonly isTTY: boolean
  readonly colour: ReturnType<typeof pc.createColors>
  /** A line of the answer. */
  line(text: string): void
  /** Rows of the answer: aligned on a terminal, tab-separated in a pipe. */
  table(columns: readonly string[], rows: readonly (readonly string[])[]): void
  /** A line about the answer, on stderr. */
  note(text: string): void
  /**
   * How far a job is; a bar that vanishes on a terminal, a plain line every ten seconds elsewhere.
   */
  progress(event: JobProgress): void
  /** Removes the bar. */
  settle(): void
}

export interface Streams {
  readonly stdout: {
    write(text: string): unknown
    readonly isTTY?: boolean | undefined
    readonly columns?: number | undefined
  }
  readonly stderr: {
    write(text: string): unknown
    readonly isTTY?: boolean | undefined
    readonly columns?: number | undefined
  }
}

/** Longer lines are hard to read, however wide the terminal is. */
export const HELP_WIDTH = 100

/** Redraws per second at most, and how often a pipe gets a line. */
const REDRAW_MS = 100
const PLAIN_MS = 10_000

export function createOutput(
  streams: Streams,
  init: { json?: boolean; quiet?: boolean; now?: () => number } = {},
): Output {
  const { stdout, stderr } = streams
  const now = init.now ?? Date.now
  const isTTY = stdout.isTTY === true
  const colour = pc.createColors(colourWanted(isTTY))
  const bar = stderr.isTTY === true && init.json !== true && init.quiet !== true
  const paceOf = createPacer()
  let drawn = false
  let last = bar ? 0 : now()
  const settle = (): void => {
    if (drawn) stderr.write('\r\x1b[2K')
    drawn = false
  }
  return {
    mode: init.json === true ? 'json' : init.quiet === true ? 'quiet' : 'human',
    isTTY,
    colour,
    line(text) {
      settle()
      stdout.write(`${init.json === true ? text : harmless(text)}\n`)
    },
    table(columns, rows) {
      settle()
      const cells = rows.map((row) => row.map(printable))
      if (!isTTY) {
        for (const row of [columns, ...cells]) stdout.write(`${row.join('\t')}\n`)
        return
      }
      const table = new Table({
        head: columns.map((column) => column.toUpperCase()),
        chars: borderless,
        colAligns: columns.map((_, i) => (isNumeric(cells, i) ? 'right' : 'left')),
        style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP },
      })
      table.push(...fitted(columns, cells, stdout.columns))
      const lines = table.toString().split('\n')
      stdout.write(`${lines.map((line) => line.trimEnd()).join('\n')}\n`)
    },
    note(text) {
      if (init.quiet === true || init.json === true) return
      settle()
      stderr.write(`${harmless(text)}\n`)
    },
    progress(event) {
      if (init.quiet === true || init.json === true) return
      const time = now()
      if (time - last < (bar ? REDRAW_MS : PLAIN_MS)) return
      last = time
      const text = harmless(progressText(event, paceOf(event, time)))
      if (bar) {
        stderr.write(`\r\x1b[2K${text.slice(0, (stderr.columns ?? 80) - 1)}`)
        drawn = true
      } else {
        stderr.write(`${text}\n`)
      }
    },
    settle,
  }
}

/** Blanks between two columns, and what a last column keeps when the terminal is narrow. */
const GAP = 2
const MIN_LAST = 12

const borderless = Object.fromEntries(
  ['top', 'bottom', 'left', 'mid', 'right']
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
    .concat('middle')
    .map((at) => [at, '']),
)

/** Sizes, counts and differences read better when their digits stand below each other. */
function isNumeric(rows: readonly (readonly string[])[], column: number): boolean {
  return rows.every((row) => /^[−+★ ]*[\d.–]+(e[-+]\d+)?( %| [kMG]?B)?$/.test(row[column]!))
}

/** Shortens the last column so that rows stay on one line of the terminal. */
function fitted(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  width = Infinity,
): string[][] {
  const last = columns.length - 1
  const widthOf = (column: number): number =>
    Math.max(...[columns, ...rows].map((row) => row[column]!.length)) + GAP
  const before = columns.slice(0, last).reduce((sum, _, column) => sum + widthOf(column), 0)
  const room = Math.max(MIN_LAST, width - before)
  return rows.map((row) =>
    row.map((cell, column) =>
      column === last && cell.length > room ? shortened(cell, room) : cell,
    ),
  )
}

/** Text loses its end, a name such as a tensor's its front, which many have in common. */
function shortened(cell: string, room: number): string {
  const isName = !cell.includes(' ')
  return isName ? `…${cell.slice(1 - room)}` : `${cell.slice(0, room - 1).trimEnd()}…`
}

function progressText(
  { phase, done, total, unit, detail }: JobProgress,
  { rate, secondsLeft }: Pace,
): string {
  const share = total > 0 ? `${Math.floor((100 * done) / total)} %` : ''
  const amount =
    unit === 'bytes' ? `${formatBytes(done)} of ${formatBytes(total)}` : `${done} of ${total}`
  const speed = rate === undefined || unit !== 'bytes' ? '' : `${formatBytes(Math.round(rate))}/s`
  const left = secondsLeft === undefined ? '' : `${formatDuration(secondsLeft)} left`
  return [phase, share, amount, speed, left, detail ?? ''].filter((part) => part !== '').join('  ')
}

/** Decimal units, three significant digits, never rounded to 0. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  let value = bytes / 1000
  for (const unit of ['kB', 'MB', 'GB']) {
    // What rounds to 1000 belongs to the next unit.
    if (value < 999.5) return `${value.toPrecision(3)} ${unit}`
    value /= 1000
  }
  return `${value < 999.5 ? value.toPrecision(3) : Math.round(value)} TB`
}

/** A difference in nats with its sign and four decimals. */
export function formatNats(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`
}
