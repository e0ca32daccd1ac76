import type { Clock } from '../../protocol/index.ts'

export interface Redial {
  /** Resolves when every address has been tried once, whether it answered or not. */
  readonly firstRound: Promise<void>
  stop(): void
}

/** How often configured peers are dialled again; dialling a connected peer costs nothing. */
const REDIAL_MS = 5_000

/** Stays connected to the peers that a user named, however often they go away. */
export function keepDialling(
  addresses: readonly string[],
  { dial, clock }: { dial: (address: string) => Promise<void>; clock: Clock },
): Redial {
  let cancel: (() => void) | undefined
  let stopped = false
  const round = async (): Promise<void> => {
    await Promise.allSettled(addresses.map(dial))
    if (!stopped && addresses.length > 0) cancel = clock.after(REDIAL_MS, () => void round())
  }
  return {
    firstRound: round(),
    stop() {
      stopped = true
      cancel?.()
    },
  }
}
