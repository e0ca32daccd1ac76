import type { PeerId } from '@libp2p/interface'
import type { BatchVerdict } from '../../protocol/index.ts'

/** What a peer sent that it had to know is wrong. */
export interface Refused {
  readonly peer: string
  readonly count: number
  /** Why the last was refused. */
  readonly reason: string
}

export interface Refusals {
  ofGossip(verdict: BatchVerdict, peer: PeerId): void
  ofSync(error: Error, peer: PeerId): void
  list(): readonly Refused[]
}

/** Peers that are remembered; a flood of keys must not fill the memory. */
const MAX_PEERS = 100

/**
 * Counts refusals by peer, for people to see; what follows from them is the protocol's business.
 */
export function createRefusals(): Refusals {
  const peers = new Map<string, Refused>()
  const add = (id: PeerId, reason: string): void => {
    const peer = id.toString()
    if (!peers.has(peer) && peers.size >= MAX_PEERS) return
    peers.set(peer, { peer, count: (peers.get(peer)?.count ?? 0) + 1, reason })
  }
  return {
    ofGossip({ verdict, verdicts, error }, peer) {
      if (verdict !== 'reject') return
      const first = verdicts.find((one) => one.verdict === 'reject')
      add(peer, (error ?? first?.error)?.message ?? 'a malformed batch')
    },
    ofSync(error, peer) {
      if ((error as { id?: string }).id === 'E_SYNC_REFUSED') add(peer, error.message)
    },
    list: () => [...peers.values()],
  }
}
