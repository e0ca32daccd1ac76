import {
  CREDIT_MAX_BYTES,
  CREDIT_MIN_BYTES,
  CREDIT_START_BYTES,
  MAX_QUEUED_BLOCKS,
  MAX_REQUESTS_PER_SECOND,
} from '../limits.ts'

/**
 * Flow control of the block exchange. A libp2p stream has no back-pressure on its reading side, so
 * nobody asks for more than it has room for: what is asked and not yet stored counts against a
 * credit per peer and against one budget over all peers.
 */

/** Goodput must beat the best so far by this factor to count as grown: below is noise. */
const GROWTH = 1.1

/** A credit used up faster than this (ms) is too small to ask in few large requests. */
const QUICK_ROUND_MS = 250

export interface Budget {
  /** What may still be taken; negative after a limit has shrunk. */
  readonly free: number
  take(amount: number): void
  give(amount: number): void
}

/** One amount that everybody shares who holds it. */
export function createBudget(limit: number): Budget {
  let used = 0
  return {
    get free() {
      return limit - used
    },
    take(amount) {
      used += amount
    },
    give(amount) {
      used -= amount
    },
  }
}

/** The bytes that may be outstanding at one peer: a budget whose limit follows the goodput. */
export interface Credit extends Budget {
  readonly limit: number
  /** Counts what came; doubles the limit after a round of `limit` bytes in which goodput grew. */
  received(bytes: number, now: number): void
  /** Starts a round: what comes next is measured from here, not from before a pause. */
  begin(now: number): void
  /** Halves the limit of a peer that fell silent. */
  late(): void
}

export function createCredit(): Credit {
  let limit = CREDIT_START_BYTES
  let used = 0
  let best = 0
  let round = { start: 0, received: 0 }

  return {
    get limit() {
      return limit
    },
    get free() {
      return limit - used
    },
    take(bytes) {
      used += bytes
    },
    give(bytes) {
      used -= bytes
    },
    received(bytes, now) {
      round.received += bytes
      if (round.received < limit) return
      const took = Math.max(now - round.start, 1)
      const goodput = round.received / took
      if (goodput > best * GROWTH || took < QUICK_ROUND_MS) {
        limit = Math.min(limit * 2, CREDIT_MAX_BYTES)
      }
      best = Math.max(best, goodput)
      round = { start: now, received: 0 }
    },
    begin(now) {
      round = { start: now, received: 0 }
    },
    late() {
      limit = Math.max(limit / 2, CREDIT_MIN_BYTES)
      best = 0
    },
  }
}

export interface RateLimit {
  /** Takes one of the tokens that have come by `now`, if there is one. */
  take(now: number): boolean
}

/** A token bucket: `perSecond` on average, up to `burst` at once. */
export function createRateLimit(perSecond: number, burst: number): RateLimit {
  let tokens = burst
  let at: number | undefined
  return {
    take(now) {
      tokens = Math.min(burst, tokens + (Math.max(now - (at ?? now), 0) * perSecond) / 1000)
      at = now
      if (tokens < 1) return false
      tokens -= 1
      return true
    },
  }
}

/** What one peer grants us, shared by all fetches that ask it. */
export interface Allowance {
  readonly credit: Credit
  /** Blocks that the peer will queue for us. */
  readonly queue: Budget
  readonly requests: RateLimit
  /** Fetches that share it; each takes its equal part. */
  fetches: number
}

/** Stays a little below what a server takes, so that jitter on the way never earns a `choke`. */
export function createAllowance(): Allowance {
  return {
    credit: createCredit(),
    queue: createBudget(MAX_QUEUED_BLOCKS),
    requests: createRateLimit(MAX_REQUESTS_PER_SECOND - 2, MAX_REQUESTS_PER_SECOND),
    fetches: 0,
  }
}
