import type { Connection } from '@libp2p/interface'
import type { Clock } from '../clock.ts'
import { BAN_MS, MAX_BANS } from '../limits.ts'

/** Peers that we neither ask nor answer. */
export interface Bans {
  /** For `BAN_MS`, and as long as one of the peer's present connections lives. */
  add(peer: string, connections: readonly Connection[]): void
  has(peer: string): boolean
}

export function createBans(clock: Pick<Clock, 'now'>): Bans {
  const bans = new Map<
    string,
    { readonly until: number; readonly connections: readonly Connection[] }
  >()
  return {
    add(peer, connections) {
      bans.delete(peer)
      bans.set(peer, { until: clock.now() + BAN_MS, connections })
      if (bans.size > MAX_BANS) bans.delete(bans.keys().next().value!)
    },
    has(peer) {
      const ban = bans.get(peer)
      if (ban === undefined) return false
      if (clock.now() < ban.until) return true
      if (ban.connections.some(({ status }) => status === 'open')) return true
      bans.delete(peer)
      return false
    },
  }
}
