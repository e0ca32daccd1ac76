import { Command, CommanderError, Option } from 'commander'
import { EnvironmentError, type Registry } from '../../src/index.ts'
import { type Config, readConfig, socketPath } from '../config.ts'
import { describeError, errorText, exitCodes } from '../errors.ts'
import { callDaemon, isAnswering } from '../http/client.ts'
import { type JobOptions, runJob } from '../jobs.ts'
import { createOutput, type Output, type Streams } from './output.ts'
import { isJobVerb, type JobVerb, loadVerbs, type Parsed, type Verb } from './verbs/index.ts'

/** Runs a command line and sets the exit code; the process ends when nothing is left to do. */
export async function run(argv: readonly string[]): Promise<void> {
  const abort = new AbortController()
  // The first signal asks for an orderly end, the second does not wait for it.
  const interrupt = (signal: NodeJS.Signals): void => {
    if (abort.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
    abort.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  process.exitCode = await runCommand(argv, process, { signal: abort.signal })
  process.off('SIGINT', interrupt)
  process.off('SIGTERM', interrupt)
}

/** Runs a command line on given streams and resolves to its exit code; never rejects. */
export async function runCommand(
  argv: readonly string[],
  streams: Streams,
  options: { signal?: AbortSignal } = {},
): Promise<number> {
  const verbs = await loadVerbs()
  const signal = options.signal ?? new AbortController().signal
  let code: number = exitCodes.ok
  const program = programOf(verbs, streams, async (verb, parsed, globals) => {
    const output = createOutput(streams, {
      json: globals['json'] === true,
      quiet: globals['quiet'] === true,
    })
    code = await perform(verb, parsed, {
      config: readConfig(configFlags(parsed.options, globals)),
      output,
      streams,
      signal,
    })
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
    throw error
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
    const described = describeError(error)
    streams.stderr.write(
      `${output.mode === 'json' ? JSON.stringify({ error: described }) : errorText(described)}\n`,
    )
    return described.exit
  }
}

async function performJob(
  verb: JobVerb,
  parsed: Parsed,
  config: Config,
  options: JobOptions,
): Promise<unknown> {
  const input = verb.parse(parsed)
  const path = socketPath(config)
  if (await isAnswering(path)) return await callDaemon(path, verb.id, input, options)
  if (verb.daemon === true) {
    throw new EnvironmentError(
      'E_DAEMON_NEEDED',
      `${verb.id} asks the daemon, and none runs here`,
      {
        expected: `a node that answers on ${path}`,
        actual: 'nobody answers',
        fix: 'deltaswarm up -d',
      },
    )
  }
  const { createNode } = await import('../node.ts')
  await using node = await createNode(config, {
    online: verb.online === true ? 'when needed' : 'never',
  })
  return await runJob(verb, node, input, options)
}

type Action = (verb: Verb, parsed: Parsed, globals: Record<string, unknown>) => Promise<void>

const groupTitles = {
  start: 'Start',
  network: 'Network',
  deltas: 'Deltas',
  work: 'Work',
  scores: 'Scores',
  files: 'Files',
} as const

function programOf(verbs: Registry<Verb>, streams: Streams, action: Action): Command {
  const program = new Command('deltaswarm')
    .description('Exchange, edit, merge and measure fine-tunes as deltas, without a server')
    .option('--json', 'print one JSON document')
    .option('-q, --quiet', 'print ids only')
    .option('--home <dir>', 'folder of the node (or DELTASWARM_HOME)')
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: (text) => void streams.stderr.write(text),
    })
    .showSuggestionAfterError()
    .addHelpText('after', exitText)
  program.exitOverride()
  for (const [group, title] of Object.entries(groupTitles)) {
    program.commandsGroup(`${title}:`)
    for (const id of verbs.ids) {
      const verb = verbs.get(id)
      if (verb.group === group) program.addCommand(commandOf(verb, streams, program, action))
    }
  }
  return program
}

function commandOf(verb: Verb, streams: Streams, program: Command, action: Action): Command {
  const command = new Command(verb.id)
    .summary(verb.summary)
    .description(verb.summary)
    .helpGroup(`${groupTitles[verb.group]}:`)
    .copyInheritedSettings(program)
    .exitOverride()
  for (const [name, about] of verb.arguments ?? []) command.argument(name, about)
  for (const { flags, about, default: value, required, repeat } of verb.options ?? []) {
    const option = new Option(flags, about)
    if (value !== undefined) option.default(value)
    if (required === true) option.makeOptionMandatory()
    if (repeat === true) {
      option.argParser((item: string, list: string[] | undefined) => [...(list ?? []), item])
    }
    command.addOption(option)
  }
  command
    .option('--json', 'print one JSON document')
    .option('-q, --quiet', 'print ids only')
    .option('--home <dir>', 'folder of the node (or DELTASWARM_HOME)')
  if (verb.examples !== undefined) {
    command.addHelpText(
      'after',
      `\nExamples:\n${verb.examples.map((line) => `  ${line}`).join('\n')}`,
    )
  }
  command.action(async () => {
    await action(
      verb,
      { args: command.processedArgs as Parsed['args'], options: command.opts() },
      { ...program.opts(), ...command.opts() },
    )
  })
  command.configureOutput({
    writeOut: (text) => void streams.stdout.write(text),
    writeErr: (text) => void streams.stderr.write(text),
  })
  return command
}

const exitText = `
Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 not allowed, 5 verification failed,
  6 incompatible inputs, 7 limit, 8 network (try again), 9 daemon needed, 20 a check says no.

Start with: deltaswarm demo`

function configFlags(options: Parsed['options'], globals: Record<string, unknown>) {
  return {
    ...(typeof globals['home'] === 'string' ? { home: globals['home'] } : {}),
    ...(Array.isArray(options['listen']) ? { listen: options['listen'] as string[] } : {}),
    ...(Array.isArray(options['peer']) ? { peers: options['peer'] as string[] } : {}),
  }
}
