import { z } from 'zod'
import { asCid, type CID, DAG_CBOR, RAW } from '../../canonical.ts'
import { weightDTypes } from '../../tensors/dtype.ts'
import {
  MAX_ELEMENTS,
  MAX_INDEX_LEAVES,
  MAX_LEAF_BYTES,
  MAX_PARAMETERS,
  MAX_PARENTS,
  MAX_RANK,
  MAX_SECTIONS,
  MAX_TENSOR_NAME_BYTES,
  MAX_TENSORS,
  MAX_TEXT_LENGTH,
} from './limits.ts'
import type { DeltaRoot, IndexNode } from './nodes.ts'

/** The shapes of a delta's nodes: types, ranges and lengths of every field, and no field more. */

const nodeCid = cidOfKind(DAG_CBOR, 'the CID of a dag-cbor node')
const leafCid = cidOfKind(RAW, 'the CID of a raw leaf')
const wholeNumber = z.int().min(0)
const id = z.string().regex(/^[a-z][a-z0-9_.-]{0,63}$/, 'expected an id')
const modelType = z.string().regex(/^[a-zA-Z0-9_.-]{1,64}$/, 'expected a model type')
const parameterName = z.string().regex(/^[a-z][a-zA-Z0-9]{0,63}$/, 'expected a parameter name')

/** Text for people, without control characters or marks that turn the direction of writing. */
const text = z
  .string()
  .max(MAX_TEXT_LENGTH)
  .regex(
    /^[^\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$/u,
    'expected printable text',
  )

const tensorName = z
  .string()
  .refine(
    (name) =>
      name !== '' && name.isWellFormed() && Buffer.byteLength(name) <= MAX_TENSOR_NAME_BYTES,
    `expected 1 to ${MAX_TENSOR_NAME_BYTES} bytes of UTF-8`,
  )

const shape = z
  .array(wholeNumber.max(MAX_ELEMENTS))
  .max(MAX_RANK)
  .refine(
    (dimensions) => dimensions.reduce((product, n) => product * n, 1) <= MAX_ELEMENTS,
    `expected at most ${MAX_ELEMENTS} elements`,
  )

const parameters = recordOf(
  parameterName,
  z.union([z.number(), z.string().max(MAX_TEXT_LENGTH), z.array(z.number()).max(MAX_PARAMETERS)]),
  MAX_PARAMETERS,
)

const section = z.tuple([wholeNumber, wholeNumber, z.int().min(1)])

const sha256 = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.length === 32,
  'expected 32 bytes',
)

const indexedTensor = z.strictObject({
  name: tensorName,
  dtype: z.enum(weightDTypes),
  shape,
  codec: id,
  parameters,
  sections: recordOf(id, section, MAX_SECTIONS),
  sha256,
})

export const indexShape: z.ZodType<IndexNode> = z.strictObject({
  version: z.literal(1),
  tensors: z.array(indexedTensor).max(MAX_TENSORS),
  leaves: z.array(z.tuple([leafCid, z.int().min(1).max(MAX_LEAF_BYTES)])).max(MAX_INDEX_LEAVES),
})

export const rootShape: z.ZodType<DeltaRoot> = z.strictObject({
  version: z.literal(1),
  kind: z.literal('delta'),
  base: nodeCid,
  post: nodeCid.exactOptional(),
  architecture: modelType,
  codecs: recordOf(id, z.int().min(1), MAX_TENSORS),
  tensors: wholeNumber.max(MAX_TENSORS),
  elements: wholeNumber,
  bytes: wholeNumber,
  index: z.array(nodeCid).max(MAX_TENSORS),
  author: text,
  name: text.min(1),
  licence: text.min(1),
  parents: z.array(nodeCid).max(MAX_PARENTS),
})

function cidOfKind(code: number, expected: string): z.ZodType<CID> {
  return z.custom<CID>((value) => asCid(value)?.code === code, `expected ${expected}`)
}

function recordOf<V extends z.ZodType>(name: z.ZodType<string, string>, value: V, max: number) {
  return z
    .record(name, value)
    .refine((record) => Object.keys(record).length <= max, `expected at most ${max} entries`)
}
