import { type CID, NotAllowedError } from '../../src/index.ts'
import { createRateLimit } from './credit.ts'
import type { Request, Response } from './frames.ts'
import {
  MAX_OPEN_ROOTS,
  MAX_QUEUED_BLOCKS,
  MAX_REFUSED_REQUESTS,
  MAX_REQUESTS_PER_SECOND,
} from '../limits.ts'

/** What a server still has to do for one peer. */
export type Job =
  | {
      readonly type: 'block'
      readonly id: number
      readonly i: number
      readonly cid: CID
      readonly root: string
      readonly expires: number
    }
  | { readonly type: 'have'; readonly root: CID }
  | { readonly type: 'answer'; readonly frame: Response }

export interface RequestQueue {
  /**
   * Queues what a request asks for, or a `choke` when the peer goes over a limit. Throws
   * `NotAllowedError` `E_PEER_LIMIT` when it goes on all the same.
   */
  accept(request: Request, now: number): void
  take(): Job | undefined
  /** Resolves when there is something to take, or nothing will come any more. */
  wait(): Promise<void>
  /** No request will come any more. */
  end(): void
  readonly ended: boolean
}

const RETRY_AFTER_MS = 1000

/** The requests of one peer, within its limits. */
export function createRequestQueue(): RequestQueue {
  const rate = createRateLimit(MAX_REQUESTS_PER_SECOND, 2 * MAX_REQUESTS_PER_SECOND)
  let jobs: Job[] = []
  let refused = 0
  let ended = false
  let wake: (() => void) | undefined

  function accept(request: Request, now: number): void {
    if (request.type === 'cancel') {
      jobs = jobs.filter((job) => job.type !== 'block' || job.id !== request.id)
      return
    }
    const reason = rate.take(now) ? overLimit(request) : 'too many requests'
    if (reason !== undefined) return choke(reason)
    refused = 0
    if (request.type === 'have?') {
      jobs.push({ type: 'have', root: request.root })
    } else {
      const { id, blocks } = request
      const [root, expires] = [request.root.toString(), now + request.deadline]
      blocks.forEach((cid, i) => jobs.push({ type: 'block', id, i, cid, root, expires }))
    }
    wake?.()
  }

  function overLimit(request: Exclude<Request, { type: 'cancel' }>): string | undefined {
    const more = request.type === 'want' ? request.blocks.length : 1
    if (jobs.length + more > MAX_QUEUED_BLOCKS) return 'too many blocks are queued'
    if (request.type === 'have?') return undefined
    const roots = new Set([request.root.toString()])
    for (const job of jobs) if (job.type === 'block') roots.add(job.root)
    return roots.size > MAX_OPEN_ROOTS ? 'too many roots are open' : undefined
  }

  function choke(reason: string): void {
    refused += 1
    if (refused > MAX_REFUSED_REQUESTS) {
      throw new NotAllowedError('E_PEER_LIMIT', `the peer goes on although ${reason}`)
    }
    jobs = [{ type: 'answer', frame: { type: 'choke', retryAfter: RETRY_AFTER_MS, reason } }]
    wake?.()
  }

  return {
    accept,
    take: () => jobs.shift(),
    wait() {
      if (jobs.length > 0 || ended) return Promise.resolve()
      return new Promise((resolve) => (wake = resolve))
    },
    end() {
      ended = true
      wake?.()
    },
    get ended() {
      return ended
    },
  }
}
