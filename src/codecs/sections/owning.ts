/** Takes what holds memory and gives it back. */
export type Own = <T extends Disposable | { close(): void }>(part: T) => T

/**
 * What `make` gives, made of parts that hold memory. Those that it hands to `own` are given back, the
 * last first, when `make` fails, and else by the `close` that it is given.
 */
export async function owning<T>(make: (own: Own, close: () => void) => T | Promise<T>): Promise<T> {
  const parts: (Disposable | { close(): void })[] = []
  const close = (): void => {
    for (const part of parts.splice(0).toReversed()) {
      if ('close' in part) part.close()
      else part[Symbol.dispose]()
    }
  }
  try {
    return await make((part) => {
      parts.push(part)
      return part
    }, close)
  } catch (error) {
    close()
    throw error
  }
}
