/**
 * One session with a peer at a time: a peer lets us open few streams, and two sessions would fetch
 * the same records twice.
 */
export interface Sessions {
  /**
   * Runs `work` now or, while a session with this peer runs, after it. All who ask meanwhile share
   * that next one: it sees what the running one may have missed.
   */
  run(peer: string, work: () => Promise<number>): Promise<number>
  /** Resolves when no session runs or waits. */
  idle(): Promise<void>
}

export function createSessions(): Sessions {
  const running = new Map<string, Promise<number>>()
  const next = new Map<string, Promise<number>>()

  function run(peer: string, work: () => Promise<number>): Promise<number> {
    const current = running.get(peer)
    if (current === undefined) {
      const session = work().finally(() => running.delete(peer))
      running.set(peer, session)
      return session
    }
    const waiting = next.get(peer)
    if (waiting !== undefined) return waiting
    const start = (): Promise<number> => {
      next.delete(peer)
      return run(peer, work)
    }
    const session = current.then(start, start)
    next.set(peer, session)
    return session
  }

  return {
    run,
    async idle() {
      while (running.size + next.size > 0) {
        await Promise.allSettled([...running.values(), ...next.values()])
      }
    },
  }
}
