/**
 * What time the others think it is. A record is held back when it is from the future, but a machine
 * whose own clock is behind would hold back everybody: when most authors say that it is later, they
 * are believed. Time only moves forward by this, so old records of a quiet network change nothing,
 * and nothing is ever ordered by it; a crowd of false keys could at most bring records in early.
 */
export interface NetworkTime {
  /** Takes in a record whose signature holds. */
  hear(author: string, at: number): void
  /**
   * Milliseconds since 1970: the own clock, or the median over it and the authors if that is later.
   */
  now(): number
}

/** Authors whose latest word is remembered. */
const MAX_AUTHORS = 1000

export function createNetworkTime(clock: { readonly now: () => number }): NetworkTime {
  const latest = new Map<string, number>()
  return {
    hear(author, at) {
      if (!latest.has(author) && latest.size >= MAX_AUTHORS) return
      latest.set(author, Math.max(at, latest.get(author) ?? 0))
    },
    now() {
      const own = clock.now()
      const times = [own, ...latest.values()].toSorted((a, b) => a - b)
      // The lower median: of two clocks the earlier, so that one author alone moves nobody.
      return Math.max(own, times[(times.length - 1) >> 1]!)
    },
  }
}
