import type { CID } from '../canonical.ts'

/**
 * What is measured: a fixed list of items, split into shards of at most 32 by hash, and the metric.
 * An open suite's root and shards are blocks and travel like deltas; its CID is the suite id, and
 * results pool only within one suite id.
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
  /** Images only. */
  readonly image?: SuiteImage
  readonly licence: string
}

export interface SuiteTask {
  readonly name: string
  /** Images only: the logits that compete, `logits[offset … offset + labels]`; all without it. */
  readonly labelOffset?: number
  readonly labels?: number
}

/** Shape of one item and how its stored values become f32. */
export interface SuiteImage {
  /** [channels, height, width] */
  readonly shape: readonly [number, number, number]
  /**
   * `u8`: one byte per value, (pixel / 255 − mean) / deviation. `f32`: little-endian values that
   * are fed as they are, with mean 0 and deviation 1.
   */
  readonly encoding: 'u8' | 'f32'
  readonly mean: number
  readonly deviation: number
}

export interface SuiteShard {
  readonly version: 1
  readonly kind: 'shard'
  readonly items: readonly SuiteItem[]
}

export type SuiteItem = ImageItem | TextItem

export interface ImageItem {
  /** Position of its task in the root's list. */
  readonly task: number
  readonly pixels: Uint8Array
  /** Relative to the task's `labelOffset`. */
  readonly label: number
}

/** i32 little-endian ids and targets of one length; the target of position t, −100 for none. */
export interface TextItem {
  readonly task: number
  readonly ids: Uint8Array
  readonly targets: Uint8Array
}

/** Items per shard: what a score record can carry one value each for. */
export const SHARD_ITEMS = 32

/** A position without a target, as Hugging Face's losses ignore it. */
export const IGNORED_TARGET = -100

/** Bytes that one value of an image takes. */
export function pixelBytes(image: Pick<SuiteImage, 'encoding'>): number {
  return image.encoding === 'u8' ? 1 : 4
}

/** Number of targets of an item: 1 for an image, the predicted tokens of a text. */
export function targetsOf(item: SuiteItem): number {
  if ('label' in item) return 1
  const view = new DataView(item.targets.buffer, item.targets.byteOffset, item.targets.byteLength)
  let count = 0
  for (let at = 0; at < view.byteLength; at += 4) {
    if (view.getInt32(at, true) !== IGNORED_TARGET) count++
  }
  return count
}

/** Targets per item of a shard, in order. */
export function shardTargets(shard: SuiteShard): number[] {
  return shard.items.map(targetsOf)
}
