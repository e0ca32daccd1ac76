import { createRequire } from 'node:module'
import { Command, Option } from 'commander'
import type { Registry } from '../../src/index.ts'
import { HELP_WIDTH, type Streams } from './output.ts'
import { loadVerbs, type Parsed, type Verb } from './verbs/index.ts'

/** A command line as it was understood. */
export interface CommandLine {
  readonly verb: Verb
  readonly parsed: Parsed
  /** `--json`, `--quiet` and `--home`, wherever they stood. */
  readonly globals: Readonly<Record<string, unknown>>
}

/**
 * Reads a command line. Prints what was asked for with `--help` or `--version`, as a line without
 * any word does, and then throws commander's error with exit code 0; throws it with another code
 * for what cannot be understood.
 */
export async function parseCommand(
  argv: readonly string[],
  streams: Streams,
): Promise<CommandLine> {
  let understood: CommandLine | undefined
  const verbs = await loadVerbs()
  const program = programOf(verbs, await moreHelp(argv, verbs), streams, (line) => {
    understood = line
  })
  await program.parseAsync(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' })
  return understood!
}

type Action = (line: CommandLine) => void

const groupTitles = {
  start: 'Start',
  network: 'Network',
  deltas: 'Deltas',
  work: 'Work',
  scores: 'Scores',
  files: 'Files',
} as const

/** What the verbs on a line that asks for help add to it, by verb; it takes loading other code. */
async function moreHelp(argv: readonly string[], verbs: Registry<Verb>): Promise<MoreHelp> {
  const more = new Map<string, string>()
  if (!argv.includes('--help') && !argv.includes('-h')) return more
  for (const word of argv) {
    const text = verbs.has(word) ? await verbs.get(word).moreHelp?.() : undefined
    if (text !== undefined) more.set(word, text)
  }
  return more
}

type MoreHelp = ReadonlyMap<string, string>

function programOf(
  verbs: Registry<Verb>,
  more: MoreHelp,
  streams: Streams,
  action: Action,
): Command {
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
      if (verb.group === group) program.addCommand(commandOf(verb, more.get(id), program, action))
    }
  }
  return program
}

function commandOf(
  verb: Verb,
  more: string | undefined,
  program: Command,
  action: Action,
): Command {
  const command = new Command(verb.id)
    .summary(verb.summary)
    .description(`${verb.summary[0]!.toUpperCase()}${verb.summary.slice(1)}.`)
    .helpGroup(`${groupTitles[verb.group]}:`)
    .copyInheritedSettings(program)
    .helpOption('-h, --help', 'show this')
    .exitOverride()
  for (const [name, about] of verb.arguments ?? []) command.argument(name, about)
  for (const { flags, about, default: value, required, repeat } of verb.options ?? []) {
    const option = new Option(flags, required === true ? `${about} (required)` : about)
    if (value !== undefined) option.default(value, String(value))
    if (required === true) option.makeOptionMandatory()
    if (repeat === true) {
      option.argParser((item: string, list: string[] | undefined) => [...(list ?? []), item])
    }
    command.addOption(option)
  }
  withGlobals(command)
  command.addHelpText(
    'after',
    ['', ...(more === undefined ? [] : [more, '']), 'Examples:']
      .concat(verb.examples.map((line) => `  ${line}`))
      .join('\n'),
  )
  command.action(() => {
    action({
      verb,
      parsed: { args: command.processedArgs as Parsed['args'], options: command.opts() },
      globals: { ...program.opts(), ...command.opts() },
    })
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
  6 incompatible inputs, 7 limit, 8 network (try again), 9 daemon needed, 130 interrupted.

deltaswarm <verb> --help shows a verb with examples. Start with: deltaswarm demo`
