import type { CID } from '../canonical.ts'

/**
 * What is measured: a fixed list of items, split into shards of 32 by hash, and the metric. An open
 * suite's root and shards are blocks and travel like deltas; its CID is the suite id, and results
 * pool only within one suite id.
 */
export interface SuiteRoot {
  readonly version: 1
  readonly kind: 'suite'
  readonly name: string
  readonly modality: 'image' | 'language'
  /** `loss`: mean negative log-likelihood in nats of the item's targets; `accuracy`: 0 or 1. */
  readonly metric: 'loss' | 'accuracy'
  readonly tasks: readonly SuiteTask[]
  readonly items: number
  /** Targets over all items: the token count that a token-weighted mean needs. */
  readonly targets: number
  readonly shards: readonly CID[]
  /** Images only: shape of one item [channels, height, width] and how u8 pixels become f32. */
  readonly image?: {
    readonly shape: readonly [number, number, number]
    /** value = (pixel / 255 − mean) / deviation */
    readonly mean: number
    readonly deviation: number
  }
  readonly licence: string
}

export interface SuiteTask {
  readonly name: string
  /** Images only: the logits that compete, `logits[offset … offset + labels]`. */
  readonly labelOffset?: number
  readonly labels?: number
}

export interface SuiteShard {
  readonly version: 1
  readonly kind: 'shard'
  readonly items: readonly SuiteItem[]
}

/** Position of its task in the root's list, and the data. Numbers are little endian. */
export type SuiteItem =
  | { readonly task: number; readonly pixels: Uint8Array; readonly label: number }
  /** i32 ids and i32 targets of one length; the target of position t, −100 where there is none. */
  | { readonly task: number; readonly ids: Uint8Array; readonly targets: Uint8Array }

/** Items per shard: what a score record can carry one value each for. */
export const SHARD_ITEMS = 32
