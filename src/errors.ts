/**
 * Failures that a caller can react to. One class per reaction; the `id` names the cause and is
 * stable, so that scripts and `--json` readers can test it. Every error carries facts before
 * advice: what was expected, what came, and what to do.
 */

export interface ErrorFacts {
  /** What the code needed; printed as it is. */
  readonly expected?: unknown
  /** What it got instead. */
  readonly actual?: unknown
  /** One or two commands or actions that cure it. */
  readonly fix?: string | readonly string[]
  /** Anything else a program may want to read, for example the tensors concerned. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

export type ErrorId = `E_${string}`

export abstract class DeltaswarmError extends Error {
  readonly id: ErrorId
  readonly expected: unknown
  readonly actual: unknown
  readonly fix: readonly string[]
  readonly details: Readonly<Record<string, unknown>>

  constructor(id: ErrorId, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.id = id
    this.expected = facts.expected
    this.actual = facts.actual
    this.fix =
      facts.fix === undefined ? [] : typeof facts.fix === 'string' ? [facts.fix] : facts.fix
    this.details = facts.details ?? {}
  }
}

/** The request itself is wrong: unknown name, value out of range, malformed recipe. */
export class InvalidInputError extends DeltaswarmError {
  override readonly name = 'InvalidInputError'
}

/** Bytes that claim to be a format break its rules: a file, a block, a frame. */
export class MalformedError extends DeltaswarmError {
  override readonly name = 'MalformedError'
}

/** What was named is not here, and nobody asked has it. */
export class NotFoundError extends DeltaswarmError {
  override readonly name = 'NotFoundError'
}

/** The caller or the peer may not do this. */
export class NotAllowedError extends DeltaswarmError {
  override readonly name = 'NotAllowedError'
}

/** A hash or a signature does not match: the bytes are not what they claim to be. */
export class VerificationError extends DeltaswarmError {
  override readonly name = 'VerificationError'
}

/**
 * Two things that are each fine do not fit together: another base, another shape, another dtype.
 */
export class IncompatibleError extends DeltaswarmError {
  override readonly name = 'IncompatibleError'
}

/** A stated limit would be exceeded: memory, disk, a format's cap. */
export class LimitError extends DeltaswarmError {
  override readonly name = 'LimitError'
}

/** A peer or the network failed; trying again is safe. */
export class NetworkError extends DeltaswarmError {
  override readonly name = 'NetworkError'
}

/** A part of the machine that is needed is missing or failed: onnxruntime, the disk, a port. */
export class EnvironmentError extends DeltaswarmError {
  override readonly name = 'EnvironmentError'
}
