import type { z } from 'zod'
import { InvalidInputError } from '../src/index.ts'
import type { JobOptions } from './job-options.ts'
import type { SwarmNode } from './node.ts'

/**
 * One thing a node can be asked to do. The input is checked whoever asks, so that a job runs the
 * same in the daemon, over its socket, and in a command that holds the store itself. The result is
 * plain JSON: CIDs as strings, bytes as numbers, times as RFC 3339.
 */
export interface Job<Input = unknown, Result = unknown> {
  readonly id: string
  readonly input: z.ZodType<Input>
  /** Only a running daemon can do it. */
  readonly daemon?: boolean
  run(node: SwarmNode, input: Input, options: JobOptions): Promise<Result>
}

/** Declares a job; it exists to infer the types of input and result. */
export function defineJob<Input, Result>(job: Job<Input, Result>): Job<Input, Result> {
  return job
}

/** The input as the job takes it; throws `InvalidInputError` `E_INPUT` that lists every problem. */
export function checkInput<Input>(job: Job<Input>, input: unknown): Input {
  const checked = job.input.safeParse(input)
  if (checked.success) return checked.data
  const problems = checked.error.issues.map(({ path, message }) => ({
    at: path.join('.') || 'input',
    message: message.replace(/^Invalid input: /, ''),
    value: path.reduce<unknown>(
      (value, key) => (value as Record<PropertyKey, unknown>)?.[key],
      input,
    ),
  }))
  throw new InvalidInputError(
    'E_INPUT',
    `${job.id} cannot take ${problems.map(({ at }) => `\`${at}\``).join(', ')}`,
    {
      expected: problems.map(({ message }) => message),
      actual: problems.map(({ value }) => value ?? 'nothing'),
      fix: `deltaswarm ${job.id} --help`,
    },
  )
}

/** Runs a job on checked input; throws `InvalidInputError` `E_INPUT`. */
export async function runJob<Input, Result>(
  job: Job<Input, Result>,
  node: SwarmNode,
  input: unknown,
  options: JobOptions,
): Promise<Result> {
  const checked = checkInput(job, input)
  options.signal.throwIfAborted()
  return job.run(node, checked, options)
}
