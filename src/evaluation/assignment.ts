import { sha256 } from '../canonical.ts'

/** One shard of one variant to be measured, and by whom it could be; ids are their string forms. */
export interface Assignment {
  readonly variant: string
  readonly suite: string
  readonly shard: number
  readonly peers: readonly string[]
  /** How many peers measure the same shard. */
  readonly copies: number
}

/**
 * Who measures a shard, without a coordinator: the `copies` peers with the lowest
 * sha256(variant ‖ suite ‖ shard ‖ peer), lowest first (rendezvous hashing, Thaler and Ravishankar
 * 1998). Everybody who knows the same peers names the same ones, and when a peer leaves only its
 * own shards move. Fewer peers than copies means all of them.
 */
export function assignedPeers({ variant, suite, shard, peers, copies }: Assignment): string[] {
  return [...new Set(peers)]
    .map((peer) => ({ peer, weight: weightOf(variant, suite, shard, peer) }))
    .toSorted((a, b) => Buffer.compare(a.weight, b.weight))
    .slice(0, copies)
    .map(({ peer }) => peer)
}

function weightOf(...parts: readonly (string | number)[]): Uint8Array {
  return sha256(new TextEncoder().encode(parts.join('\0')))
}
