/** Runs tasks, at most so many at a time, in the order in which they were handed in. */
export interface Turns {
  run<T>(task: () => Promise<T>): Promise<T>
}

/**
 * A fair queue: who has one task in it at a time, like a peer that is sent one block after the
 * other, gets every n-th turn of n, however fast the others are.
 */
export function createTurns(atOnce: number): Turns {
  const waiting: (() => void)[] = []
  let free = atOnce

  return {
    async run(task) {
      if (free > 0) free -= 1
      else await new Promise<void>((resolve) => waiting.push(resolve))
      try {
        return await task()
      } finally {
        const next = waiting.shift()
        if (next === undefined) free += 1
        else next()
      }
    },
  }
}
