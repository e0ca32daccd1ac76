import { z } from 'zod'
import { InvalidInputError } from '../src/index.ts'
import type { SwarmNode } from './node.ts'

/** How far a job is; `total` never changes within a phase. */
export interface JobProgress {
  readonly phase: string
  readonly done: number
  readonly total: number
  readonly unit?: 'bytes' | 'items'
  readonly detail?: string
}

export interface JobOptions {
  readonly signal: AbortSignal
  readonly onProgress: (progress: JobProgress) => void
}

/**
 * One thing a node can be asked to do. The input is checked whoever asks, so that a job runs the same
 * in the daemon, over its socket, and in a command that holds the store itself. The result is plain
 * JSON: CIDs as strings, bytes as numbers, times as RFC 3339.
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

/** Runs a job on checked input; throws `InvalidInputError` `E_INPUT` that lists every problem. */
export async function runJob<Input, Result>(
  job: Job<Input, Result>,
  node: SwarmNode,
  input: unknown,
  options: JobOptions,
): Promise<Result> {
  const checked = job.input.safeParse(input)
  if (!checked.success) {
    throw new InvalidInputError('E_INPUT', `${job.id} cannot take this input`, {
      expected: z.prettifyError(checked.error),
      actual: input,
      fix: `deltaswarm ${job.id} --help`,
    })
  }
  options.signal.throwIfAborted()
  return job.run(node, checked.data, options)
}
