import { InvalidInputError, MalformedError } from '../errors.ts'
import { dtypeBytes, isDType } from '../tensors/dtype.ts'
import { bytesOf, compareNames, type TensorSpec } from '../tensors/tensor.ts'
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseStrictJson,
  quote,
} from './strict-json.ts'

/**
 * The safetensors format (https://github.com/huggingface/safetensors, "Format"): 8 bytes of little
 * endian header length, a JSON header that begins with `{` and may end in spaces, and the bytes of
 * the tensors without hole, overlap or remainder. The reference implementation's rules, with
 * tighter limits: its 100 MB of header would cost a reader seconds and gigabytes.
 */

/** The largest public models need about 2 MiB. */
export const MAX_HEADER_BYTES = 16 * 2 ** 20
/** A mixture of 256 experts in 60 layers has about 46,000 tensors. */
export const MAX_TENSORS = 65_536
/** Names of real tensors stay below 150 bytes. */
const MAX_NAME_BYTES = 512
/** Convolutions over video have 5 dimensions. */
export const MAX_RANK = 8
/** Training tools leave their arguments here; nothing of it is used. */
const MAX_METADATA_BYTES = 2 ** 20

/** Bytes before the header. */
export const PREFIX_BYTES = 8

export interface SafetensorsHeader {
  /** Sorted by `compareNames`. */
  readonly tensors: ReadonlyMap<string, TensorSpec>
  /** Where each tensor's bytes begin, counted from the beginning of the file. */
  readonly offsets: ReadonlyMap<string, number>
  readonly metadata: ReadonlyMap<string, string>
}

/**
 * Length of the header from the file's first 8 bytes. Throws `MalformedError`
 * `E_SAFETENSORS_HEADER` when it is empty, above `MAX_HEADER_BYTES`, or longer than the file.
 */
export function headerBytes(prefix: Uint8Array, fileBytes: number, source: string): number {
  if (prefix.length < PREFIX_BYTES) {
    throw badHeader(source, `at least ${PREFIX_BYTES} bytes`, `${prefix.length}`)
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true)
  const limit = BigInt(Math.min(MAX_HEADER_BYTES, fileBytes - PREFIX_BYTES))
  if (length < 2n || length > limit) {
    throw badHeader(source, `a header of 2 to ${limit} bytes`, `${length}`)
  }
  return Number(length)
}

/**
 * Checks the header's bytes against the size of the whole file. Throws `MalformedError`:
 * `E_SAFETENSORS_HEADER` for its text, names, dtypes, shapes and metadata, `E_SAFETENSORS_OFFSETS`
 * when the tensors do not cover the data exactly.
 */
export function parseHeader(
  header: Uint8Array,
  fileBytes: number,
  source: string,
): SafetensorsHeader {
  const entries = headerEntries(header, source)
  const metadata = parseMetadata(entries.get('__metadata__'), source)
  const placed: Placed[] = []
  for (const [name, entry] of entries) {
    if (name !== '__metadata__') placed.push(parseEntry(name, entry, source))
  }
  if (placed.length > MAX_TENSORS) throw badHeader(source, `at most ${MAX_TENSORS} tensors`, 'more')
  const dataStart = PREFIX_BYTES + header.length
  checkCover(placed, fileBytes - dataStart, source)
  placed.sort((a, b) => compareNames(a.spec.name, b.spec.name))
  return {
    tensors: new Map(placed.map(({ spec }) => [spec.name, spec])),
    offsets: new Map(placed.map(({ spec, begin }) => [spec.name, dataStart + begin])),
    metadata,
  }
}

export interface SafetensorsLayout {
  /** Length prefix and header, padded so that the data begins at a multiple of 8. */
  readonly header: Uint8Array
  /** The order in which the tensors' bytes follow. */
  readonly order: readonly TensorSpec[]
  readonly fileBytes: number
}

/**
 * The one header that is written for these tensors. The data is ordered as the reference
 * implementation orders it, by falling element size and then by name, so that no tensor is
 * misaligned for readers that map the file. Throws `InvalidInputError` `E_TENSOR_NAME` for a name
 * that occurs twice or that a reader would refuse.
 */
export function layOut(specs: Iterable<TensorSpec>): SafetensorsLayout {
  const order = [...specs].sort(
    (a, b) => dtypeBytes[b.dtype] - dtypeBytes[a.dtype] || compareNames(a.name, b.name),
  )
  const fields = new Map<string, string>()
  let end = 0
  for (const { name, dtype, shape } of order) {
    const fault = fields.has(name) ? 'it occurs twice' : nameFault(name)
    if (fault !== undefined) {
      throw new InvalidInputError('E_TENSOR_NAME', `cannot write ${JSON.stringify(name)}: ${fault}`)
    }
    const begin = end
    end += bytesOf({ dtype, shape })
    const entry = JSON.stringify({ dtype, shape, data_offsets: [begin, end] })
    fields.set(name, `${JSON.stringify(name)}:${entry}`)
  }
  const sorted = [...fields.keys()].sort(compareNames).map((name) => fields.get(name)!)
  const text = Buffer.from(`{${['"__metadata__":{"format":"pt"}', ...sorted].join(',')}}`)
  const header = Buffer.alloc(PREFIX_BYTES + Math.ceil(text.length / 8) * 8, ' ')
  header.writeBigUInt64LE(BigInt(header.length - PREFIX_BYTES))
  text.copy(header, PREFIX_BYTES)
  return { header, order, fileBytes: header.length + end }
}

/** A tensor and its `data_offsets`, which count from the end of the header. */
interface Placed {
  readonly spec: TensorSpec
  readonly begin: number
  readonly end: number
}

const ENTRY_KEYS = ['dtype', 'shape', 'data_offsets'] as const

function headerEntries(header: Uint8Array, source: string): JsonObject {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header)
  } catch (cause) {
    throw badHeader(source, 'a header in UTF-8', 'other bytes', cause)
  }
  if (!text.startsWith('{')) throw badHeader(source, "a header that begins with '{'", show(text))
  const object = text.replace(/ +$/, '')
  if (!object.endsWith('}')) {
    throw badHeader(source, "a header that ends with '}' and spaces", show(object.slice(-16)))
  }
  const entries = parseStrictJson(object, {
    source: `the header of ${source}`,
    id: 'E_SAFETENSORS_HEADER',
    maxDepth: 3,
    maxEntries: MAX_TENSORS + 1,
    integers: true,
  })
  return entries as JsonObject
}

function parseEntry(name: string, entry: JsonValue, source: string): Placed {
  const fault = nameFault(name)
  if (fault !== undefined) throw badHeader(source, 'a tensor name', `${show(name)}: ${fault}`)
  const where = `${source}, tensor ${show(name)}`
  if (!isJsonObject(entry)) throw badHeader(where, 'an object', show(entry))
  const unknown = [...entry.keys()].find((key) => !(ENTRY_KEYS as readonly string[]).includes(key))
  if (unknown !== undefined) throw badHeader(where, `only ${ENTRY_KEYS.join(', ')}`, show(unknown))
  const dtype = entry.get('dtype')
  if (!isDType(dtype)) {
    throw badHeader(where, `a dtype of ${Object.keys(dtypeBytes).join(', ')}`, show(dtype))
  }
  const shape = sizes(entry.get('shape'))
  if (shape === undefined || shape.length > MAX_RANK) {
    throw badHeader(where, `a shape of at most ${MAX_RANK} sizes`, show(entry.get('shape')))
  }
  const [begin, end, ...rest] = sizes(entry.get('data_offsets')) ?? []
  if (begin === undefined || end === undefined || rest.length > 0 || begin > end) {
    const actual = show(entry.get('data_offsets'))
    throw badOffsets(where, 'data_offsets [begin, end] with begin ≤ end', actual)
  }
  const bytes = safeProduct([dtypeBytes[dtype], ...shape])
  if (bytes === undefined) throw badHeader(where, 'fewer than 2^53 bytes', show(shape))
  if (end - begin !== bytes) {
    throw badOffsets(where, `${bytes} bytes for ${dtype} ${show(shape)}`, `${end - begin}`)
  }
  return { spec: { name, dtype, shape }, begin, end }
}

/** Every byte of the data belongs to exactly one tensor. */
function checkCover(placed: readonly Placed[], dataBytes: number, source: string): void {
  let covered = 0
  for (const { spec, begin, end } of placed.toSorted(
    (a, b) => a.begin - b.begin || a.end - b.end,
  )) {
    if (begin !== covered) {
      const fault = begin < covered ? 'overlap' : 'hole'
      const where = `${source}, tensor ${show(spec.name)}`
      throw badOffsets(where, `to begin at ${covered}`, `${begin} (${fault})`)
    }
    covered = end
  }
  if (covered !== dataBytes) {
    const fault = covered < dataBytes ? 'bytes after the last tensor' : 'cut off'
    throw badOffsets(source, `${covered} bytes of data`, `${dataBytes} (${fault})`)
  }
}

function parseMetadata(value: JsonValue | undefined, source: string): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>()
  if (value === undefined) return metadata
  const where = `${source}, __metadata__`
  if (!isJsonObject(value)) throw badHeader(where, 'an object', show(value))
  let bytes = 0
  for (const [key, text] of value) {
    if (typeof text !== 'string') throw badHeader(where, `text for ${show(key)}`, show(text))
    if (CONTROL_BUT_SPACE.test(key + text)) {
      throw badHeader(where, 'text without control characters', show(key))
    }
    bytes += Buffer.byteLength(key) + Buffer.byteLength(text)
    if (bytes > MAX_METADATA_BYTES) {
      throw badHeader(where, `at most ${MAX_METADATA_BYTES} bytes`, 'more')
    }
    metadata.set(key, text)
  }
  return metadata
}

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
const CONTROL_BUT_SPACE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/

function nameFault(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (name === '__metadata__') return 'it is reserved'
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `it is above ${MAX_NAME_BYTES} bytes`
  if (CONTROL.test(name)) return 'it has control characters'
  return name.isWellFormed() ? undefined : 'it has a lone surrogate'
}

function sizes(value: JsonValue | undefined): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined
  const items = value as readonly JsonValue[]
  return items.every(isSize) ? items : undefined
}

function isSize(value: JsonValue): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0)
}

/** The product, or `undefined` where doubles would round it. */
function safeProduct(factors: readonly number[]): number | undefined {
  if (factors.includes(0)) return 0
  let product = 1
  for (const factor of factors) {
    if (factor > Number.MAX_SAFE_INTEGER / product) return undefined
    product *= factor
  }
  return product
}

function show(value: unknown): string {
  return quote(value).slice(0, 80)
}

const FIX = 'download the file again, or save it again with the safetensors library'

function badHeader(
  where: string,
  expected: string,
  actual: string,
  cause?: unknown,
): MalformedError {
  const message = `${where}: expected ${expected}, got ${actual}`
  return new MalformedError('E_SAFETENSORS_HEADER', message, { expected, actual, fix: FIX, cause })
}

function badOffsets(where: string, expected: string, actual: string): MalformedError {
  const message = `${where}: expected ${expected}, got ${actual}`
  return new MalformedError('E_SAFETENSORS_OFFSETS', message, { expected, actual, fix: FIX })
}
