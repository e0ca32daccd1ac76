/**
 * Calls one after the other, each also when one before it failed, so that nothing is kept; then throws
 * what the first failure threw.
 */
export async function endAll(closers: Iterable<() => unknown>): Promise<void> {
  const failures: unknown[] = []
  for (const close of closers) {
    try {
      await close()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
