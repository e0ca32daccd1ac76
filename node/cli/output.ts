import pc from 'picocolors'
import Table from 'cli-table3'
import { colourWanted } from '../config.ts'

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
  /** How far a job is; a bar that vanishes on a terminal, a plain line every ten seconds elsewhere. */
  progress(event: ProgressEvent): void
  /** Removes the bar. */
  settle(): void
}

/** `done` of `total` units of `phase`; the total never changes within a phase. */
export interface ProgressEvent {
  readonly phase: string
  readonly done: number
  readonly total: number
  readonly unit?: 'bytes' | 'items'
  readonly detail?: string
}

export interface Streams {
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean | undefined }
  readonly stderr: {
    write(text: string): unknown
    readonly isTTY?: boolean | undefined
    readonly columns?: number | undefined
  }
}

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
      stdout.write(`${text}\n`)
    },
    table(columns, rows) {
      settle()
      if (!isTTY) {
        for (const row of [columns, ...rows]) stdout.write(`${row.join('\t')}\n`)
        return
      }
      const table = new Table({
        head: columns.map((column) => column.toUpperCase()),
        chars: borderless,
        style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
      })
      table.push(...rows.map((row) => [...row]))
      stdout.write(`${table.toString()}\n`)
    },
    note(text) {
      if (init.quiet === true || init.json === true) return
      settle()
      stderr.write(`${text}\n`)
    },
    progress(event) {
      if (init.quiet === true || init.json === true) return
      const time = now()
      if (time - last < (bar ? REDRAW_MS : PLAIN_MS)) return
      last = time
      const text = progressText(event)
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

const borderless = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left'].map((at) => [
    at,
    '',
  ]),
)
Object.assign(borderless, {
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
})

function progressText({ phase, done, total, unit, detail }: ProgressEvent): string {
  const share = total > 0 ? `${Math.floor((100 * done) / total)} %` : ''
  const amount =
    unit === 'bytes' ? `${formatBytes(done)} of ${formatBytes(total)}` : `${done} of ${total}`
  return [phase, share, amount, detail ?? ''].filter((part) => part !== '').join('  ')
}

/** Decimal units, three significant digits, never rounded to 0. */
export function formatBytes(bytes: number): string {
  let value = bytes
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (value < 1000 || unit === 'GB') {
      return unit === 'B' ? `${value} B` : `${value.toPrecision(3)} ${unit}`
    }
    value /= 1000
  }
  return `${bytes} B`
}

/** A difference in nats with its sign and four decimals. */
export function formatNats(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`
}
