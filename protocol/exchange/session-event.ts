import type { CID, DeltaswarmError } from '../../src/index.ts'
import type { Allowance } from './credit.ts'
import type { Response } from './frames.ts'

export type SessionEvent =
  | { readonly type: 'start' }
  | { readonly type: 'tick' }
  | { readonly type: 'providerAdded'; readonly peer: string; readonly allowance: Allowance }
  /** Also for a provider that never could be reached. */
  | { readonly type: 'providerGone'; readonly peer: string; readonly error: DeltaswarmError }
  | BlockAnswer
  | PeerAnswer

/** What the store and the caller say of a block. */
export type BlockAnswer =
  /** The store has it; `bytes` for a node, which is walked. */
  | { readonly type: 'found'; readonly cid: CID; readonly bytes?: Uint8Array | undefined }
  | { readonly type: 'missing'; readonly cid: CID }
  | { readonly type: 'admitted'; readonly cid: CID }
  | { readonly type: 'stored'; readonly cid: CID }

/** What a peer says: its frames, and `heard` when part of one came. */
export type PeerAnswer = { readonly peer: string } & (Response | { readonly type: 'heard' })

export type SessionAction =
  /** Answered by `found` or `missing`. */
  | { readonly type: 'look'; readonly cid: CID; readonly leaf: boolean }
  /** Judge a verified node before it is stored or walked; answered by `admitted`. */
  | {
      readonly type: 'admit'
      readonly cid: CID
      readonly bytes: Uint8Array
      readonly kind: 'root' | 'index'
    }
  /** Answered by `stored`. */
  | { readonly type: 'store'; readonly cid: CID; readonly bytes: Uint8Array }
  | {
      readonly type: 'want'
      readonly peer: string
      readonly id: number
      readonly blocks: readonly CID[]
    }
  | { readonly type: 'cancel'; readonly peer: string; readonly id: number }
  /** The peer broke the rules: close its stream and ban it. */
  | { readonly type: 'dropPeer'; readonly peer: string; readonly error: DeltaswarmError }
  /** No verified byte for `FETCH_STALLED_MS`. */
  | { readonly type: 'stalled'; readonly reason: string }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly error: DeltaswarmError }

export interface PeerReport {
  readonly peer: string
  readonly blocks: number
  readonly bytes: number
  /** Why it was left before the end. */
  readonly dropped?: string
}

export interface SessionProgress {
  /** Blocks of the DAG known so far, and those of them that the store holds. */
  readonly known: number
  readonly held: number
  /** Verified blocks and bytes that peers sent, and blocks that came more than once. */
  readonly blocks: number
  readonly bytes: number
  readonly duplicates: number
  readonly peers: readonly PeerReport[]
}
