import {
  asCid,
  type CID,
  decodeCanonical,
  encodeCanonical,
  MalformedError,
} from '../../src/index.ts'
import { type Buffers, createBuffers } from './buffers.ts'
import {
  MAX_BLOCK_BYTES,
  MAX_HAVE_BLOCKS,
  MAX_REQUEST_HEADER_BYTES,
  MAX_RESPONSE_HEADER_BYTES,
  MAX_WANT_BLOCKS,
} from '../limits.ts'

/**
 * The frames of `/deltaswarm/blocks/1.0.0`: the length of a header as an unsigned varint, the
 * header as canonical dag-cbor, and after the header of a `block` its bytes as they are. Whoever
 * opens a stream sends requests on it and gets responses. Fields that are not known are ignored.
 */

export type Request =
  /** Asks for blocks of the DAG under `root`; after `deadline` ms the answer is of no use. */
  | {
      readonly type: 'want'
      readonly id: number
      readonly root: CID
      readonly blocks: readonly CID[]
      readonly deadline: number
    }
  /** Takes a want back; blocks that are under way may still come. */
  | { readonly type: 'cancel'; readonly id: number }
  /** Asks which blocks of a DAG the peer holds. */
  | { readonly type: 'have?'; readonly root: CID }

export type Response =
  /** The `i`-th block of the want `id`. */
  | { readonly type: 'block'; readonly id: number; readonly i: number; readonly bytes: Uint8Array }
  /** Blocks of the want `id`, by their index, that the peer will not send. */
  | { readonly type: 'dont'; readonly id: number; readonly i: readonly number[] }
  /** Which of the first `count` blocks of the DAG are held, in the order of `have.ts`. */
  | { readonly type: 'have'; readonly root: CID; readonly count: number; readonly bits: Uint8Array }
  /** All that was asked before is forgotten; ask again after `retryAfter` ms. */
  | { readonly type: 'choke'; readonly retryAfter: number; readonly reason: string }

export type Frame = Request | Response
export type Side = 'request' | 'response'

/** Longest `reason` of a `choke`, in UTF-16 units: it is shown to people. */
const MAX_REASON_LENGTH = 128

/** The parts of one frame; the bytes of a block are not copied. */
export function encodeFrame(frame: Frame): Uint8Array[] {
  if (frame.type !== 'block') return [encodeHeader(frame)]
  const { bytes, ...rest } = frame
  return [encodeHeader({ ...rest, len: bytes.length }), bytes]
}

export interface FrameDecoder {
  /**
   * Yields the frames that `chunk` completes. Throws `MalformedError` (`E_BAD_FRAME`,
   * `E_FRAME_SIZE`, `E_NOT_CANONICAL`) at the first byte that cannot be right, before it allocates
   * what a length announces; the decoder must not be used again after that.
   */
  push(chunk: Uint8Array): Generator<Frame, void, undefined>
  /** Whether the bytes so far end between two frames. */
  readonly idle: boolean
}

/** Decodes one side of a stream, however its bytes are cut. Holds at most one frame. */
export function createFrameDecoder(
  side: Side,
  buffers: Pick<Buffers, 'take'> = createBuffers(),
): FrameDecoder {
  const maxHeader = side === 'request' ? MAX_REQUEST_HEADER_BYTES : MAX_RESPONSE_HEADER_BYTES
  const parsers = side === 'request' ? requests : responses
  const length = { value: 0, bytes: 0 }
  let header: Filling | undefined
  let block: { readonly id: number; readonly i: number; readonly body: Filling } | undefined

  function* push(chunk: Uint8Array): Generator<Frame, void, undefined> {
    let at = 0
    while (at < chunk.length) {
      if (block !== undefined) {
        at += fill(block.body, chunk, at)
        if (block.body.missing === 0) yield takeBlock(block)
      } else if (header !== undefined) {
        at += fill(header, chunk, at)
        if (header.missing > 0) return
        const value = decodeCanonical(header.bytes)
        header = undefined
        const parsed = parseHeader(value, parsers)
        if (parsed.type === 'block' && 'len' in parsed) {
          block = { id: parsed.id, i: parsed.i, body: filling(buffers.take(parsed.len)) }
          if (parsed.len === 0) yield takeBlock(block)
        } else {
          yield parsed as Frame
        }
      } else if (readLength(length, chunk[at++]!, maxHeader)) {
        header = filling(new Uint8Array(length.value))
        length.value = length.bytes = 0
      }
    }
  }

  function takeBlock({ id, i, body }: NonNullable<typeof block>): Frame {
    block = undefined
    return { type: 'block', id, i, bytes: body.bytes }
  }

  return {
    push,
    get idle() {
      return header === undefined && block === undefined && length.bytes === 0
    },
  }
}

/** Decodes a stream of chunks; a transform for `pipe`. Throws at a cut frame, too. */
export function decodeFrames<S extends Side>(side: S, buffers?: Pick<Buffers, 'take'>) {
  return async function* (
    source: AsyncIterable<Uint8Array | Iterable<Uint8Array>>,
  ): AsyncGenerator<S extends 'request' ? Request : Response, void, undefined> {
    const decoder = createFrameDecoder(side, buffers)
    for await (const chunk of source) {
      for (const part of chunk instanceof Uint8Array ? [chunk] : chunk) {
        yield* decoder.push(part) as Generator<S extends 'request' ? Request : Response>
      }
    }
    if (!decoder.idle) throw badFrame('the stream ends inside a frame')
  }
}

function encodeHeader(header: object): Uint8Array {
  const body = encodeCanonical(header)
  const prefix: number[] = []
  let rest = body.length
  for (; rest > 0x7f; rest >>>= 7) prefix.push((rest & 0x7f) | 0x80)
  prefix.push(rest)
  const bytes = new Uint8Array(prefix.length + body.length)
  bytes.set(prefix)
  bytes.set(body, prefix.length)
  return bytes
}

/** A buffer of known size that chunks are copied into. */
interface Filling {
  readonly bytes: Uint8Array
  missing: number
}

function filling(bytes: Uint8Array): Filling {
  return { bytes, missing: bytes.length }
}

function fill(into: Filling, chunk: Uint8Array, at: number): number {
  const taken = Math.min(into.missing, chunk.length - at)
  into.bytes.set(chunk.subarray(at, at + taken), into.bytes.length - into.missing)
  into.missing -= taken
  return taken
}

/** Takes one byte of a varint and says whether it was the last. Only the shortest form is right. */
function readLength(length: { value: number; bytes: number }, byte: number, max: number): boolean {
  length.value += (byte & 0x7f) * 2 ** (7 * length.bytes)
  length.bytes += 1
  const last = byte < 0x80
  if (length.value > max || (!last && length.bytes === 3)) {
    throw new MalformedError('E_FRAME_SIZE', 'a frame header is too long', {
      expected: `at most ${max} bytes`,
      actual: last ? length.value : 'longer',
    })
  }
  if (last && byte === 0) throw badFrame('a length that is zero or not in its shortest form')
  return last
}

type Header = Readonly<Record<string, unknown>>
type BlockHeader = {
  readonly type: 'block'
  readonly id: number
  readonly i: number
  readonly len: number
}
type Parsers = ReadonlyMap<string, (header: Header) => Frame | BlockHeader>

const requests: Parsers = new Map<string, (header: Header) => Request>([
  [
    'want',
    (header) => ({
      type: 'want',
      id: integer(header, 'id'),
      root: link(header['root'], 'root'),
      blocks: list(header, 'blocks', MAX_WANT_BLOCKS, (item) => link(item, 'blocks')),
      deadline: integer(header, 'deadline'),
    }),
  ],
  ['cancel', (header) => ({ type: 'cancel', id: integer(header, 'id') })],
  ['have?', (header) => ({ type: 'have?', root: link(header['root'], 'root') })],
])

const responses: Parsers = new Map<string, (header: Header) => Response | BlockHeader>([
  [
    'block',
    (header) => ({
      type: 'block',
      id: integer(header, 'id'),
      i: integer(header, 'i', 0, MAX_WANT_BLOCKS - 1),
      len: integer(header, 'len', 0, MAX_BLOCK_BYTES),
    }),
  ],
  [
    'dont',
    (header) => ({
      type: 'dont',
      id: integer(header, 'id'),
      i: list(header, 'i', MAX_WANT_BLOCKS, (item) =>
        integer({ i: item }, 'i', 0, MAX_WANT_BLOCKS - 1),
      ),
    }),
  ],
  [
    'have',
    (header) => {
      const count = integer(header, 'count', 0, MAX_HAVE_BLOCKS)
      const bits = header['bits']
      if (!(bits instanceof Uint8Array) || bits.length !== Math.ceil(count / 8)) {
        throw badFrame('`bits` does not hold `count` bits')
      }
      return { type: 'have', root: link(header['root'], 'root'), count, bits }
    },
  ],
  [
    'choke',
    (header) => {
      const reason = header['reason']
      if (typeof reason !== 'string' || reason.length > MAX_REASON_LENGTH) {
        throw badFrame('`reason` is not a short text')
      }
      if (!/^\P{C}*$/u.test(reason)) throw badFrame('`reason` is not printable')
      return { type: 'choke', retryAfter: integer(header, 'retryAfter'), reason }
    },
  ],
])

function parseHeader(value: unknown, parsers: Parsers): Frame | BlockHeader {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badFrame('a header that is not a map')
  }
  const { type } = value as { type?: unknown }
  const parse = typeof type === 'string' ? parsers.get(type) : undefined
  if (parse === undefined) {
    throw badFrame(`expected \`type\` to be one of ${[...parsers.keys()].join(', ')}`)
  }
  return parse(value as Header)
}

function integer(header: Header, name: string, least = 0, most = 0xffffffff): number {
  const value = header[name]
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) {
    return value as number
  }
  throw badFrame(`expected \`${name}\` to be an integer in [${least}, ${most}]`)
}

function link(value: unknown, name: string): CID {
  const cid = asCid(value)
  if (cid === undefined) throw badFrame(`expected \`${name}\` to hold CIDv1, sha2-256 links`)
  return cid
}

function list<T>(header: Header, name: string, most: number, item: (value: unknown) => T): T[] {
  const value = header[name]
  if (Array.isArray(value) && value.length > 0 && value.length <= most) return value.map(item)
  throw badFrame(`expected \`${name}\` to be a list of 1 to ${most} items`)
}

function badFrame(message: string): MalformedError {
  return new MalformedError('E_BAD_FRAME', `bad frame: ${message}`)
}
