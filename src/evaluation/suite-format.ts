import { z } from 'zod'
import { asCid, type CID, DAG_CBOR, decodeCanonical, encodeCanonical } from '../canonical.ts'
import { MalformedError } from '../errors.ts'
import {
  IGNORED_TARGET,
  type ImageItem,
  pixelBytes,
  SHARD_ITEMS,
  type SuiteImage,
  type SuiteItem,
  type SuiteRoot,
  type SuiteShard,
  targetsOf,
  type TextItem,
} from './suite.ts'

/**
 * The bytes of a suite: canonical dag-cbor, one spelling per value. A suite may come from a
 * stranger, so sizes are looked at first, unknown keys are refused, and an item is believed only
 * when it fits the root it is read for.
 */

/** A root of 256 KiB names about 6,000 shards, 190,000 items: far more than anybody measures. */
export const MAX_SUITE_BYTES = 256 * 1024
/** A shard is one block. */
export const MAX_SHARD_BYTES = 1024 * 1024
/** Tasks are shown side by side; a benchmark of 57 subjects still fits. */
const MAX_TASKS = 256
/** Largest vocabulary or head that an id, a label or an offset may point into. */
export const MAX_LABELS = 2 ** 24
/** Smallest standard deviation that does not blow pixels up past any trained range. */
const MIN_DEVIATION = 1e-6

/**
 * Canonical bytes of a root; throws as `decodeSuite` does on a value that could not be read back.
 */
export function encodeSuite(root: SuiteRoot): Uint8Array {
  const bytes = encodeCanonical(root)
  decodeSuite(bytes)
  return bytes
}

/**
 * Throws `MalformedError` `E_BAD_SUITE`, or `E_NOT_CANONICAL`, that names the first broken rule.
 */
export function decodeSuite(bytes: Uint8Array): SuiteRoot {
  return parse(rootShape, decode(bytes, MAX_SUITE_BYTES), 'suite') as SuiteRoot
}

/** What of a root an item must fit. */
export type ItemFrame = Pick<SuiteRoot, 'modality' | 'tasks' | 'image'>

/** Canonical bytes of a shard of `root`; throws as `decodeShard` does. */
export function encodeShard(shard: SuiteShard, root: ItemFrame): Uint8Array {
  const bytes = encodeCanonical(shard)
  decodeShard(bytes, root)
  return bytes
}

/**
 * Throws `MalformedError` `E_BAD_SUITE`, or `E_NOT_CANONICAL`, that names the first broken rule.
 */
export function decodeShard(bytes: Uint8Array, root: ItemFrame): SuiteShard {
  const shard = parse(shardShape, decode(bytes, MAX_SHARD_BYTES), 'shard') as SuiteShard
  for (const [i, item] of shard.items.entries()) checkItem(item, `items.${i}`, root)
  return shard
}

/** Throws `MalformedError` `E_BAD_SUITE` that names the item, `at`, when it does not fit `root`. */
export function checkItem(value: unknown, at: string, root: ItemFrame): void {
  if (root.modality === 'image') checkImage(parse(imageItem, value, at) as ImageItem, at, root)
  else checkText(parse(textItem, value, at) as TextItem, at)
  const { task } = value as SuiteItem
  if (task >= root.tasks.length) throw bad(`${at}.task`, `below ${root.tasks.length}`, task)
}

const whole = z.int().min(0)
const bytes = z.instanceof(Uint8Array)
const side = z.int().min(1).max(MAX_SHARD_BYTES)
/**
 * A control character, or a mark that turns the direction of writing, could forge a table's line.
 */
const label = z.string().regex(/^\P{C}{1,100}$/u, 'expected 1 to 100 printable characters')
const link = z.custom<CID>((value) => asCid(value)?.code === DAG_CBOR, 'expected a dag-cbor CID')

const imageItem = z.strictObject({ task: whole, pixels: bytes, label: whole.max(MAX_LABELS - 1) })
const textItem = z.strictObject({ task: whole, ids: bytes, targets: bytes })

const shardShape = z.strictObject({
  version: z.literal(1),
  kind: z.literal('shard'),
  items: z.array(z.unknown()).min(1).max(SHARD_ITEMS),
})

const taskShape = z
  .strictObject({
    name: label,
    labelOffset: whole.max(MAX_LABELS - 1).optional(),
    labels: z.int().min(1).max(MAX_LABELS).optional(),
  })
  .refine(
    ({ labelOffset, labels }) => (labelOffset === undefined) === (labels === undefined),
    'expected both labelOffset and labels, or neither',
  )

const imageShape = z
  .strictObject({
    shape: z.tuple([side, side, side]),
    encoding: z.enum(['u8', 'f32']),
    mean: z.number().min(-1).max(1),
    deviation: z.number().min(MIN_DEVIATION).max(1),
  })
  .refine((image) => bytesPerImage(image) <= MAX_SHARD_BYTES, 'expected an image of at most 1 MiB')
  .refine(
    ({ encoding, mean, deviation }) => encoding === 'u8' || (mean === 0 && deviation === 1),
    'expected mean 0 and deviation 1 for f32',
  )

const rootShape = z
  .strictObject({
    version: z.literal(1),
    kind: z.literal('suite'),
    name: label,
    modality: z.enum(['image', 'language']),
    metric: z.enum(['loss', 'accuracy']),
    tasks: z.array(taskShape).min(1).max(MAX_TASKS),
    items: z.int().min(1),
    targets: z.int().min(1),
    shards: z.array(link).min(1),
    image: imageShape.optional(),
    licence: label,
  })
  .superRefine((root, context) => {
    const { modality, tasks, items, targets, shards, image } = root
    const rule = (holds: boolean, message: string): void => {
      if (!holds) context.addIssue(message)
    }
    const pictures = modality === 'image'
    rule(new Set(tasks.map(({ name }) => name)).size === tasks.length, 'expected distinct tasks')
    rule(new Set(shards.map(String)).size === shards.length, 'expected distinct shards')
    rule(
      items >= shards.length && items <= shards.length * SHARD_ITEMS,
      `expected 1 to ${SHARD_ITEMS} items per shard`,
    )
    rule(pictures === (image !== undefined), 'expected `image` for images and for nothing else')
    rule(
      pictures ? targets === items : targets >= items,
      'expected one target per image and at least one per text',
    )
    rule(
      pictures || tasks.every(({ labels }) => labels === undefined),
      'expected `labels` for images only',
    )
  })

function checkImage(item: ImageItem, at: string, { image, tasks }: ItemFrame): void {
  const labels = tasks[item.task]?.labels ?? MAX_LABELS
  if (item.label >= labels) throw bad(`${at}.label`, `below ${labels}`, item.label)
  const wanted = image === undefined ? 0 : bytesPerImage(image)
  const { pixels } = item
  if (pixels.length !== wanted) throw bad(`${at}.pixels`, `${wanted} bytes`, pixels.length)
  if (image?.encoding !== 'f32') return
  const view = new DataView(pixels.buffer, pixels.byteOffset, pixels.byteLength)
  for (let byte = 0; byte < wanted; byte += 4) {
    const value = view.getFloat32(byte, true)
    if (!Number.isFinite(value)) throw bad(`${at}.pixels`, 'finite values', value)
  }
}

function checkText(item: TextItem, at: string): void {
  const { length } = item.ids
  if (length === 0 || length % 4 !== 0) throw bad(`${at}.ids`, 'one or more i32', `${length} bytes`)
  if (item.targets.length !== length) {
    throw bad(`${at}.targets`, `${length} bytes, as many as ids`, item.targets.length)
  }
  for (const name of ['ids', 'targets'] as const) {
    const view = new DataView(item[name].buffer, item[name].byteOffset, length)
    for (let byte = 0; byte < length; byte += 4) {
      const value = view.getInt32(byte, true)
      if (name === 'targets' && value === IGNORED_TARGET) continue
      if (value < 0 || value >= MAX_LABELS) {
        throw bad(`${at}.${name}.${byte / 4}`, `in [0, ${MAX_LABELS})`, value)
      }
    }
  }
  if (targetsOf(item) === 0) throw bad(`${at}.targets`, 'at least one target', 'none')
}

function bytesPerImage(image: Pick<SuiteImage, 'shape' | 'encoding'>): number {
  return image.shape.reduce((product, size) => product * size, pixelBytes(image))
}

function decode(bytes: Uint8Array, limit: number): unknown {
  if (bytes.length > limit) throw bad('size', `at most ${limit} bytes`, bytes.length)
  return decodeCanonical(bytes)
}

function parse(shape: z.ZodType, value: unknown, what: string): unknown {
  const parsed = shape.safeParse(value)
  if (parsed.success) return value
  const issue = parsed.error.issues[0]!
  const path = [what, ...issue.path].join('.')
  throw new MalformedError('E_BAD_SUITE', `\`${path}\`: ${issue.message}`, {
    expected: issue.message,
    actual: path,
  })
}

function bad(at: string, expected: string, actual: unknown): MalformedError {
  return new MalformedError(
    'E_BAD_SUITE',
    `expected \`${at}\` ${expected}, got ${String(actual)}`,
    {
      expected,
      actual,
    },
  )
}
