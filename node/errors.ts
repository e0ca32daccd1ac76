import { DeltaswarmError } from '../src/index.ts'

/** Exit codes: small, stable, and said in `--help`. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  notAllowed: 4,
  verification: 5,
  incompatible: 6,
  limit: 7,
  network: 8,
  daemonNeeded: 9,
  interrupted: 130,
  terminated: 143,
} as const

const codeOfName: Readonly<Record<string, number>> = {
  InvalidInputError: exitCodes.usage,
  MalformedError: exitCodes.verification,
  NotFoundError: exitCodes.notFound,
  NotAllowedError: exitCodes.notAllowed,
  VerificationError: exitCodes.verification,
  IncompatibleError: exitCodes.incompatible,
  LimitError: exitCodes.limit,
  NetworkError: exitCodes.network,
  EnvironmentError: exitCodes.failed,
}

/** An error as it travels over the socket and as `--json` prints it. */
export interface ErrorDocument {
  readonly id: string
  readonly name: string
  readonly exit: number
  readonly message: string
  readonly expected?: unknown
  readonly actual?: unknown
  readonly fix: readonly string[]
  readonly details?: Readonly<Record<string, unknown>>
  readonly retryable: boolean
}

/** An error that the daemon reported; it keeps the daemon's words. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError'
  readonly document: ErrorDocument

  constructor(document: ErrorDocument) {
    super(document.message)
    this.document = document
  }
}

export function describeError(error: unknown): ErrorDocument {
  if (error instanceof RemoteError) return error.document
  if (error instanceof DeltaswarmError) {
    const exit =
      error.id === 'E_DAEMON_NEEDED' ? exitCodes.daemonNeeded : (codeOfName[error.name] ?? 1)
    return {
      id: error.id,
      name: error.name,
      exit,
      message: error.message,
      ...(error.expected === undefined ? {} : { expected: plain(error.expected) }),
      ...(error.actual === undefined ? {} : { actual: plain(error.actual) }),
      fix: error.fix,
      ...(Object.keys(error.details).length === 0
        ? {}
        : { details: plain(error.details) as Record<string, unknown> }),
      retryable: error.name === 'NetworkError',
    }
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return {
      id: 'E_INTERRUPTED',
      name: error.name,
      exit: exitCodes.interrupted,
      message: 'interrupted',
      fix: ['run the same command again; finished parts are kept'],
      retryable: true,
    }
  }
  return {
    id: 'E_UNEXPECTED',
    name: error instanceof Error ? error.name : 'Error',
    exit: exitCodes.failed,
    message: error instanceof Error ? error.message : String(error),
    fix: [],
    retryable: false,
  }
}

/** What commander says about a command line, in our form: its suggestion becomes the fix. */
export function usageError(message: string): ErrorDocument {
  const [what = '', suggestion] = message.replace(/^error: /, '').split('\n')
  return {
    id: 'E_USAGE',
    name: 'UsageError',
    exit: exitCodes.usage,
    message: what,
    fix: suggestion === undefined ? [] : [suggestion.replace(/^\(D(.*)\)$/, 'd$1')],
    retryable: false,
  }
}

/** What, why, fix: facts before advice, one fact a line. */
export function errorText(error: ErrorDocument): string {
  const lines = [`✗ ${error.id}  ${printable(error.message)}`]
  if (error.expected !== undefined) lines.push(`  expected  ${factText(error.expected)}`)
  if (error.actual !== undefined) lines.push(`  given     ${factText(error.actual)}`)
  for (const [name, value] of Object.entries(error.details ?? {})) {
    lines.push(`  ${name.padEnd(8)}  ${factText(value)}`)
  }
  error.fix
    .slice(0, 2)
    .forEach((fix, i) => lines.push(`  ${i === 0 ? 'fix     ' : '        '}  ${fix}`))
  return lines.join('\n')
}

function factText(value: unknown): string {
  if (typeof value === 'string') return printable(value)
  if (Array.isArray(value)) {
    const shown = value.slice(0, 6).map(factText).join(', ')
    return value.length > 6 ? `${shown} … and ${value.length - 6} more` : shown
  }
  return printable(JSON.stringify(value))
}

/** Text from elsewhere must not move the cursor or fill the screen. */
export function printable(text: string): string {
  return harmless(text).slice(0, 400)
}

/** A line of any length in which nothing moves the cursor or turns the direction of writing. */
export function harmless(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '?')
}

/** Plain data for JSON: CIDs and other objects that know how become strings. */
function plain(value: unknown): unknown {
  if (value === null || typeof value !== 'object') {
    return typeof value === 'bigint' ? value.toString() : value
  }
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  const prototype = Object.getPrototypeOf(value) as unknown
  if (prototype !== Object.prototype && prototype !== null)
    return (value as { toString(): string }).toString()
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}
