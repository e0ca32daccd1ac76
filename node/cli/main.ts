import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command, CommanderError, Option } from 'commander'
import { DeltaswarmError, EnvironmentError, type Registry } from '../../src/index.ts'
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
import { checkInput, type JobOptions, runJob } from '../jobs.ts'
import { createOutput, type Output, type Streams } from './output.ts'
import { isJobVerb, type JobVerb, loadVerbs, type Parsed, type Verb } from './verbs/index.ts'

/** How long a command waits for another one, or for a daemon that starts or stops, and how it asks. */
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
  let code: number = exitCodes.ok
  try {
    const program = programOf(await loadVerbs(), streams, async (verb, parsed, globals) => {
      const output = createOutput(streams, { json, quiet: globals['quiet'] === true })
      const config = readConfig(configFlags(parsed.options, globals))
      code = await perform(verb, parsed, { config, output, streams, signal })
    })
    await program.parseAsync(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' })
    return code
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
    return verb.exit?.(result) ?? exitCodes.ok
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

type Action = (verb: Verb, parsed: Parsed, globals: Record<string, unknown>) => Promise<void>

/** Longer lines are hard to read, however wide the terminal is. */
const HELP_WIDTH = 100

const groupTitles = {
  start: 'Start',
  network: 'Network',
  deltas: 'Deltas',
  work: 'Work',
  scores: 'Scores',
  files: 'Files',
} as const

function programOf(verbs: Registry<Verb>, streams: Streams, action: Action): Command {
  const program = withGlobals(new Command('deltaswarm'))
    .description('Exchange, edit, merge and measure fine-tunes as deltas, without a server')
    .version(version(), '-V, --version', 'print the version')
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: (text) => void streams.stderr.write(text),
      // Errors are printed in one place, in our form.
      outputError: () => {},
      getOutHelpWidth: () => Math.min(streams.stdout.columns ?? HELP_WIDTH, HELP_WIDTH),
    })
    .configureHelp({
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map(argumentTerm)].join(' '),
    })
    .showSuggestionAfterError()
    .helpOption('-h, --help', 'show this')
    .helpCommand(false)
    .addHelpText('after', exitText)
  program.exitOverride()
  for (const [group, title] of Object.entries(groupTitles)) {
    program.commandsGroup(`${title}:`)
    for (const id of verbs.ids) {
      const verb = verbs.get(id)
      if (verb.group === group) program.addCommand(commandOf(verb, program, action))
    }
  }
  return program
}

function commandOf(verb: Verb, program: Command, action: Action): Command {
  const command = new Command(verb.id)
    .summary(verb.summary)
    .description(`${verb.summary[0]!.toUpperCase()}${verb.summary.slice(1)}.`)
    .helpGroup(`${groupTitles[verb.group]}:`)
    .copyInheritedSettings(program)
    .helpOption('-h, --help', 'show this')
    .exitOverride()
  for (const [name, about] of verb.arguments ?? []) command.argument(name, about)
  for (const { flags, about, default: value, required, repeat } of verb.options ?? []) {
    const option = new Option(flags, about)
    if (value !== undefined) option.default(value, String(value))
    if (required === true) option.makeOptionMandatory()
    if (repeat === true) {
      option.argParser((item: string, list: string[] | undefined) => [...(list ?? []), item])
    }
    command.addOption(option)
  }
  withGlobals(command)
  const examples = verb.examples ?? []
  command.addHelpText('after', ['', 'Examples:', ...examples.map((line) => `  ${line}`)].join('\n'))
  command.action(async () => {
    await action(
      verb,
      { args: command.processedArgs as Parsed['args'], options: command.opts() },
      { ...program.opts(), ...command.opts() },
    )
  })
  return command
}

/** Flags that stand before or after the verb. */
function withGlobals(command: Command): Command {
  return command
    .option('--json', 'print one JSON document')
    .option('-q, --quiet', 'print ids only')
    .option('--home <dir>', 'folder of the node (or DELTASWARM_HOME)')
}

function argumentTerm(argument: { name(): string; variadic: boolean; required: boolean }): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${name}>` : `[${name}]`
}

function version(): string {
  const manifest = createRequire(import.meta.url)('deltaswarm/package.json') as { version: string }
  return manifest.version
}

const exitText = `
Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 not allowed, 5 verification failed,
  6 incompatible inputs, 7 limit, 8 network (try again), 9 daemon needed, 20 a check says no.

deltaswarm <verb> --help shows a verb with examples. Start with: deltaswarm demo`

function configFlags(options: Parsed['options'], globals: Record<string, unknown>) {
  return {
    ...(typeof globals['home'] === 'string' ? { home: globals['home'] } : {}),
    ...(Array.isArray(options['listen']) ? { listen: options['listen'] as string[] } : {}),
    ...(Array.isArray(options['peer']) ? { peers: options['peer'] as string[] } : {}),
  }
}
