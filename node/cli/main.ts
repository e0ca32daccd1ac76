import { setTimeout as sleep } from 'node:timers/promises'
import { CommanderError } from 'commander'
import { DeltaswarmError, EnvironmentError } from '../../src/index.ts'
import { type Config, readConfig, socketPath } from '../config.ts'
import {
  describeError,
  type ErrorDocument,
  errorText,
  exitCodes,
  RemoteError,
  usageError,
} from '../errors.ts'
import { callDaemon, isAnswering } from '../http/client.ts'
import type { JobOptions } from '../job-options.ts'
import { checkInput, runJob } from '../jobs.ts'
import { type CommandLine, parseCommand } from './command-line.ts'
import { createOutput, type Output, type Streams } from './output.ts'
import { isJobVerb, type JobVerb, type Parsed, type Verb } from './verbs/index.ts'

/**
 * How long a command waits for another one, or for a daemon that starts or stops, and how it asks.
 */
const BUSY_MS = 2_000
const POLL_MS = 50

/** Runs a command line and sets the exit code; the process ends when nothing is left to do. */
export async function run(argv: readonly string[]): Promise<void> {
  const abort = new AbortController()
  let interruptedBy: NodeJS.Signals | undefined
  // The first signal asks for an orderly end, the second does not wait for it.
  const interrupt = (signal: NodeJS.Signals): void => {
    if (interruptedBy !== undefined) process.exit(codeOf(signal))
    interruptedBy = signal
    abort.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe)
  const code = await runCommand(argv, process, { signal: abort.signal })
  process.exitCode =
    code === exitCodes.interrupted && interruptedBy !== undefined ? codeOf(interruptedBy) : code
  process.off('SIGINT', interrupt)
  process.off('SIGTERM', interrupt)
}

/** Runs a command line on given streams and resolves to its exit code; never rejects. */
export async function runCommand(
  argv: readonly string[],
  streams: Streams,
  options: { signal?: AbortSignal } = {},
): Promise<number> {
  const signal = options.signal ?? new AbortController().signal
  const json = argv.includes('--json')
  try {
    const { verb, parsed, globals } = await parseCommand(argv, streams)
    const output = createOutput(streams, { json, quiet: globals['quiet'] === true })
    const config = readConfig(configFlags(parsed.options, globals))
    return await perform(verb, parsed, { config, output, streams, signal })
  } catch (error) {
    if (!(error instanceof CommanderError)) return fail(streams, json, describeError(error))
    if (error.exitCode === 0) return exitCodes.ok
    // Help that was shown because no verb was given has said it all.
    if (error.code === 'commander.help') return exitCodes.usage
    return fail(streams, json, usageError(error.message))
  }
}

interface Performance {
  readonly config: Config
  readonly output: Output
  readonly streams: Streams
  readonly signal: AbortSignal
}

async function perform(verb: Verb, parsed: Parsed, context: Performance): Promise<number> {
  const { output, config, streams, signal } = context
  const job: JobOptions = { signal, onProgress: (progress) => output.progress(progress) }
  try {
    if (!isJobVerb(verb)) return await verb.here(parsed, { ...job, config, output })
    const result = await performJob(verb, parsed, config, job)
    output.settle()
    if (output.mode === 'json') output.line(JSON.stringify(result))
    else if (output.mode === 'quiet') for (const id of verb.ids?.(result) ?? []) output.line(id)
    else verb.print(result, output)
    return exitCodes.ok
  } catch (error) {
    output.settle()
    return fail(streams, output.mode === 'json', describeError(error))
  }
}

function fail({ stderr }: Streams, json: boolean, error: ErrorDocument): number {
  stderr.write(`${json ? JSON.stringify({ error }) : errorText(error)}\n`)
  return error.exit
}

/** Asks the daemon when one answers, and otherwise does the work here, under the store's lock. */
async function performJob(
  verb: JobVerb,
  parsed: Parsed,
  config: Config,
  options: JobOptions,
): Promise<unknown> {
  const input = verb.parse(parsed)
  checkInput(verb, input)
  const path = socketPath(config)
  const patience = AbortSignal.timeout(BUSY_MS)
  for (;;) {
    try {
      return (await isAnswering(path))
        ? await callDaemon(path, verb.id, input, options)
        : await performHere(verb, input, config, options)
    } catch (error) {
      if (!isBusy(error) || patience.aborted) throw error
      await sleep(POLL_MS, undefined, { signal: options.signal })
    }
  }
}

async function performHere(
  verb: JobVerb,
  input: unknown,
  config: Config,
  options: JobOptions,
): Promise<unknown> {
  if (verb.daemon === true) {
    throw new EnvironmentError(
      'E_DAEMON_NEEDED',
      `${verb.id} asks the daemon, and none runs here`,
      {
        expected: `a node that answers on ${socketPath(config)}`,
        actual: 'nobody answers',
        fix: `deltaswarm up -d${config.home === readConfig().home ? '' : ` --home ${config.home}`}`,
      },
    )
  }
  const { createNode } = await import('../node.ts')
  // It asks peers and is not asked: a port that another node of this machine has is left alone.
  await using node = await createNode(
    { ...config, listen: [] },
    { online: verb.online === true ? 'when needed' : 'never' },
  )
  return await runJob(verb, node, input, options)
}

/** Whether the store is free in a moment: another command works, or a daemon starts or stops. */
function isBusy(error: unknown): boolean {
  if (error instanceof RemoteError) return error.document.id === 'E_STOPPING'
  return error instanceof DeltaswarmError && error.id === 'E_STORE_LOCKED'
}

function codeOf(signal: NodeJS.Signals): number {
  return signal === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted
}

/** `deltaswarm ls | head -1` closes our output, which is no failure. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

function configFlags(options: Parsed['options'], globals: CommandLine['globals']) {
  return {
    ...(typeof globals['home'] === 'string' ? { home: globals['home'] } : {}),
    ...(Array.isArray(options['listen']) ? { listen: options['listen'] as string[] } : {}),
    ...(typeof options['device'] === 'string' ? { device: options['device'] } : {}),
    ...(Array.isArray(options['peer']) ? { peers: options['peer'] as string[] } : {}),
  }
}
