/** Time as protocol code may see it: injected, so that a test can hold it still. */
export interface Clock {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Calls back once after `ms`; the result cancels it. */
  readonly after: (ms: number, callback: () => void) => () => void
}

/** Runs `work` with a signal that aborts with a `TimeoutError` after `ms`, or with `signal`. */
export async function withTimeout<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const cancel = clock.after(ms, () => {
    controller.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError'))
  })
  const onAbort = (): void => controller.abort(signal?.reason)
  if (signal?.aborted === true) onAbort()
  signal?.addEventListener('abort', onAbort)
  try {
    return await work(controller.signal)
  } finally {
    cancel()
    signal?.removeEventListener('abort', onAbort)
  }
}
