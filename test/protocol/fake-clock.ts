/** Time that stands still until it is moved. */
export function createFakeClock() {
  let now = 1_000_000
  const calls = new Set<{ at: number; callback: () => void }>()
  return {
    now: () => now,
    after(ms: number, callback: () => void) {
      const call = { at: now + ms, callback }
      calls.add(call)
      return () => void calls.delete(call)
    },
    /** Moves on in steps, between which the event loop runs. */
    async pass(ms: number) {
      for (const end = now + ms; now < end;) {
        now += 250
        for (const call of calls) if (call.at <= now && calls.delete(call)) call.callback()
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
  }
}
