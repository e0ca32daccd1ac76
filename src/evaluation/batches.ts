import type { Model, Part } from '../models/index.ts'
import type { PreparedItem } from './prepared-item.ts'
import { SHARD_ITEMS } from './suite.ts'

export interface PreparedShard {
  readonly index: number
  readonly items: readonly PreparedItem[]
}

/** Items of one padded length that run together. */
export interface Batch {
  /** The model for `capacity` items of this length. */
  readonly parts: readonly Part[]
  /** At most `capacity`; the rest of a batch repeats the last. */
  readonly rows: readonly Row[]
  readonly capacity: number
}

export interface Row {
  readonly item: PreparedItem
  /** Position of its shard in the pass, and its own in the shard. */
  readonly shard: number
  readonly place: number
}

/**
 * Cuts shards into passes whose hidden states take at most `maxBytes`, or one shard. `rowBytes`
 * says what one item of so many tokens takes.
 */
export function splitPasses(
  shards: readonly PreparedShard[],
  rowBytes: (tokens: number) => number,
  maxBytes: number,
): PreparedShard[][] {
  const passes: PreparedShard[][] = []
  let left = 0
  for (const shard of shards) {
    const bytes = shard.items.reduce((sum, { tokens }) => sum + rowBytes(tokens), 0)
    if (passes.length === 0 || bytes > left) {
      passes.push([])
      left = maxBytes
    }
    passes.at(-1)!.push(shard)
    left -= bytes
  }
  return passes
}

/** Batches of at most `maxTokens` tokens, or one item, and at most a shard's number of items. */
export function makeBatches(
  model: Model,
  shards: readonly PreparedShard[],
  maxTokens: number,
): Batch[] {
  const byLength = new Map<number, Row[]>()
  shards.forEach(({ items }, shard) => {
    items.forEach((item, place) => {
      const rows = byLength.get(item.tokens) ?? []
      rows.push({ item, shard, place })
      byLength.set(item.tokens, rows)
    })
  })
  return [...byLength].flatMap(([tokens, rows]) => {
    const capacity = Math.max(1, Math.min(SHARD_ITEMS, Math.floor(maxTokens / tokens)))
    const parts = model.parts(capacity, tokens)
    return Array.from({ length: Math.ceil(rows.length / capacity) }, (_, i) => ({
      parts,
      rows: rows.slice(i * capacity, (i + 1) * capacity),
      capacity,
    }))
  })
}
