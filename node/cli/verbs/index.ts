import { loadRegistry, type Registry } from '../../../src/index.ts'
import type { Config } from '../../config.ts'
import type { JobOptions } from '../../job-options.ts'
import type { Job } from '../../jobs.ts'
import type { Output } from '../output.ts'

/**
 * A verb is one file: what a user types, what the node is asked to do, and how the answer looks.
 * Most verbs are jobs, which run in the daemon when it is up and otherwise in the command itself,
 * under the store's lock; a few are about the process (`up`, `init`, `demo`) and run where they are
 * typed.
 */
interface VerbWords {
  readonly id: string
  /** Heading under which `--help` lists it. */
  readonly group: 'start' | 'network' | 'deltas' | 'work' | 'scores' | 'files'
  readonly summary: string
  /** Positional arguments as commander spells them: `<post>`, `[out]`, `<refs...>`. */
  readonly arguments?: readonly (readonly [name: string, about: string])[]
  readonly options?: readonly VerbOption[]
  /** Lines under the options: examples that are understood as they stand. */
  readonly examples: readonly string[]
  /**
   * Help that is made when somebody asks for it, such as the list of edits; lines of 100
   * characters.
   */
  moreHelp?(): Promise<string>
}

export interface VerbOption {
  readonly flags: string
  readonly about: string
  readonly default?: string | number | boolean
  readonly required?: boolean
  /** May be given several times; the values are a list. */
  readonly repeat?: boolean
}

/** What commander parsed: positional arguments in order, then options by camel-case name. */
export interface Parsed {
  readonly args: readonly (string | readonly string[] | undefined)[]
  readonly options: Readonly<Record<string, unknown>>
}

export interface JobVerb<Input = unknown, Result = unknown> extends VerbWords, Job<Input, Result> {
  /** Turns what was typed into the job's input; paths become absolute here. */
  parse(parsed: Parsed): unknown
  /** Prints the answer for people. */
  print(result: Result, output: Output): void
  /** What `-q` prints, one a line. */
  ids?(result: Result): readonly string[]
  /**
   * May ask peers when something is missing: without a daemon it then starts a short-lived node.
   */
  readonly online?: boolean
}

export interface HereVerb extends VerbWords {
  here(parsed: Parsed, context: HereContext): Promise<number>
}

export interface HereContext extends JobOptions {
  readonly config: Config
  readonly output: Output
}

export type Verb = JobVerb | HereVerb

export function isJobVerb(verb: Verb): verb is JobVerb {
  return 'run' in verb
}

/** Declares a verb that is a job; it exists to infer the types of input and result. */
export function defineVerb<Input, Result>(verb: JobVerb<Input, Result>): JobVerb<Input, Result> {
  return verb
}

export function loadVerbs(): Promise<Registry<Verb>> {
  return loadRegistry<Verb>('verb', import.meta.url)
}
