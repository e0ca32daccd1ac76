import { z } from 'zod'
import { type ScoreValue, SHARD_ITEMS } from '../../src/index.ts'
import { MAX_ENGINE_LENGTH } from '../limits.ts'
import { cid, text, wholeNumber } from './fields.ts'
import { defineRecord } from './record.ts'

/**
 * `score` version 1: what its author measured for one variant on one shard of a suite. The body:
 *
 *     variant  CID of the recipe
 *     suite    CID of the suite's root
 *     shard    position in the suite's list of shards
 *     values   bytes: one little-endian int32 per item, at most 32; see src/evaluation/score.ts
 *     engine   name and version of what computed it
 *     device   'cpu' or 'gpu'
 *
 * No values at all withdraw the author's earlier score of the same variant, suite and shard. Which
 * of several such scores counts is decided by seq, then by id.
 */
export interface Score extends ScoreValue {
  readonly engine: string
  readonly device: 'cpu' | 'gpu'
}

const packedValues = z.codec(
  z.custom<Uint8Array>(
    (value) =>
      value instanceof Uint8Array && value.length % 4 === 0 && value.length <= 4 * SHARD_ITEMS,
    `expected at most ${SHARD_ITEMS} packed int32`,
  ),
  z.array(z.int32()).max(SHARD_ITEMS),
  { decode: unpackValues, encode: packValues },
)

export const score = defineRecord<Score>({
  type: 'score',
  version: 1,
  body: z.strictObject({
    variant: cid,
    suite: cid,
    shard: wholeNumber,
    values: packedValues,
    engine: text(MAX_ENGINE_LENGTH),
    device: z.enum(['cpu', 'gpu']),
  }),
})

function packValues(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length)
  const view = new DataView(bytes.buffer)
  for (const [i, value] of values.entries()) view.setInt32(4 * i, value, true)
  return bytes
}

function unpackValues(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i, true))
}
