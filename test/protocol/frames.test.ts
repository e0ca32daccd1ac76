import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import {
  createFrameDecoder,
  decodeFrames,
  encodeFrame,
  type Frame,
  type Request,
  type Response,
  type Side,
} from '../../protocol/exchange/frames.ts'
import {
  MAX_BLOCK_BYTES,
  MAX_REQUEST_HEADER_BYTES,
  MAX_RESPONSE_HEADER_BYTES,
} from '../../protocol/limits.ts'
import { cidOf, encodeCanonical, MalformedError } from '../../src/index.ts'

const id = fc.nat()
const cid = fc.uint8Array({ maxLength: 8 }).map((bytes) => cidOf(bytes))
const index = fc.nat(255)
const plain = { noNullPrototype: true }
const request: fc.Arbitrary<Request> = fc.oneof(
  fc.record(
    {
      type: fc.constant('want' as const),
      id,
      root: cid,
      blocks: fc.array(cid, { minLength: 1, maxLength: 5 }),
      deadline: fc.nat(),
    },
    plain,
  ),
  fc.record({ type: fc.constant('cancel' as const), id }, plain),
  fc.record({ type: fc.constant('have?' as const), root: cid }, plain),
)
const response: fc.Arbitrary<Response> = fc.oneof(
  fc.record({ type: fc.constant('block' as const), id, i: index, bytes: fc.uint8Array() }, plain),
  fc.record(
    {
      type: fc.constant('dont' as const),
      id,
      i: fc.array(index, { minLength: 1, maxLength: 5 }),
    },
    plain,
  ),
  fc.record({ root: cid, bits: fc.uint8Array({ maxLength: 9 }) }).map(({ root, bits }) => {
    return { type: 'have' as const, root, count: bits.length * 8, bits }
  }),
  fc.record(
    {
      type: fc.constant('choke' as const),
      retryAfter: fc.nat(),
      reason: fc.string({ maxLength: 40 }),
    },
    plain,
  ),
)

/** The frames until the end or the error, and that error's id. */
function decode(side: Side, chunks: readonly Uint8Array[]): { frames: Frame[]; error?: string } {
  const decoder = createFrameDecoder(side)
  const frames: Frame[] = []
  try {
    for (const chunk of chunks) for (const frame of decoder.push(chunk)) frames.push(frame)
    return { frames }
  } catch (error) {
    assert.ok(error instanceof MalformedError, String(error))
    return { frames, error: error.id }
  }
}

function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const cuts = [0, ...at.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end))
}

function checkCut(side: Side, frames: readonly Frame[], at: readonly number[]): void {
  const bytes = Buffer.concat(frames.flatMap(encodeFrame))
  assert.deepEqual(decode(side, cut(bytes, at)), { frames })
}

/** Any number below 2²¹ in three bytes. */
function varint(n: number): Uint8Array {
  return Uint8Array.of((n & 0x7f) | 0x80, ((n >> 7) & 0x7f) | 0x80, n >> 14)
}

/** A frame whose header is any value. */
function framed(header: unknown): Uint8Array {
  const body = encodeCanonical(header)
  assert.ok(body.length < 0x80)
  return Buffer.concat([Uint8Array.of(body.length), body])
}

describe('frames', () => {
  it('decode to what was encoded, wherever the bytes are cut', () => {
    const cuts = fc.array(fc.nat(), { maxLength: 6 })
    fc.assert(fc.property(fc.array(request), cuts, (frames, at) => checkCut('request', frames, at)))
    fc.assert(
      fc.property(fc.array(response), cuts, (frames, at) => checkCut('response', frames, at)),
    )
  })

  it('throw nothing but MalformedError on any bytes, and the same however they are cut', () => {
    // Headers that are nearly right lead deeper than noise does.
    const header = fc.record(
      {
        type: fc.constantFrom('want', 'cancel', 'have?', 'block', 'dont', 'have', 'choke', 'x'),
        id: fc.oneof(id, fc.string()),
        i: fc.oneof(fc.nat(300), fc.array(fc.oneof(index, fc.boolean()))),
        len: fc.oneof(fc.nat(40), fc.nat()),
        count: fc.nat(20),
        bits: fc.uint8Array({ maxLength: 3 }),
        root: fc.oneof(cid, fc.constant(null)),
        retryAfter: fc.integer(),
        reason: fc.oneof(fc.string(), fc.nat()),
      },
      { requiredKeys: [] },
    )
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(header, fc.uint8Array({ maxLength: 60 })).map(([value, rest]) => {
        const body = encodeCanonical(value)
        const length =
          body.length < 0x80 ? [body.length] : [(body.length & 0x7f) | 0x80, body.length >> 7]
        return Buffer.concat([Uint8Array.from(length), body, rest])
      }),
    )
    const property = fc.property(
      fc.constantFrom<Side>('request', 'response'),
      bytes,
      fc.array(fc.nat(), { maxLength: 8 }),
      (side, bytes, at) => {
        assert.deepEqual(decode(side, cut(bytes, at)), decode(side, [bytes]))
      },
    )
    fc.assert(property, { numRuns: 500 })
  })

  it('refuse a reason that could forge a line of a terminal', () => {
    for (const [reason, error] of [
      ['busy: 7 others', undefined],
      ['\x1b[2J', 'E_BAD_FRAME'],
      ['a\nb', 'E_BAD_FRAME'],
      ['\u202eb', 'E_BAD_FRAME'],
    ] as const) {
      const [choke] = encodeFrame({ type: 'choke', retryAfter: 1, reason })
      assert.equal(decode('response', [choke!]).error, error)
    }
  })

  it('refuse a header above the limit at its length, before it is sent', () => {
    for (const [side, most] of [
      ['request', MAX_REQUEST_HEADER_BYTES],
      ['response', MAX_RESPONSE_HEADER_BYTES],
    ] as const) {
      assert.deepEqual(decode(side, [varint(most)]), { frames: [] })
      assert.deepEqual(decode(side, [varint(most + 1)]), { frames: [], error: 'E_FRAME_SIZE' })
      const endless = new Uint8Array(12).fill(0xff)
      assert.deepEqual(decode(side, [endless]), { frames: [], error: 'E_FRAME_SIZE' })
      assert.deepEqual(decode(side, [Uint8Array.of(0x81, 0)]), { frames: [], error: 'E_BAD_FRAME' })
    }
  })

  it('refuse a block above 1 MiB before they take memory for it', () => {
    const taken: number[] = []
    const buffers = {
      take(size: number) {
        taken.push(size)
        return new Uint8Array(size)
      },
    }
    for (const len of [MAX_BLOCK_BYTES + 1, 2 ** 31, -1, 1.5]) {
      const decoder = createFrameDecoder('response', buffers)
      const bytes = framed({ type: 'block', id: 1, i: 0, len })
      assert.throws(() => [...decoder.push(bytes)], { id: 'E_BAD_FRAME' })
    }
    assert.deepEqual(taken, [])
    const decoder = createFrameDecoder('response', buffers)
    assert.deepEqual(
      [...decoder.push(framed({ type: 'block', id: 1, i: 0, len: MAX_BLOCK_BYTES }))],
      [],
    )
    assert.deepEqual(taken, [MAX_BLOCK_BYTES])
  })

  it('refuse frames of the other side, and the second spelling of a header', () => {
    const [cancel] = encodeFrame({ type: 'cancel', id: 1 })
    assert.equal(decode('response', [cancel!]).error, 'E_BAD_FRAME')
    const [choke] = encodeFrame({ type: 'choke', retryAfter: 1, reason: '' })
    assert.equal(decode('request', [choke!]).error, 'E_BAD_FRAME')
    // {"id": 1, "type": "cancel"} with 1 in two bytes
    const long = Buffer.from('a2626964180164747970656663616e63656c', 'hex')
    const other = Buffer.concat([Uint8Array.of(long.length), long])
    assert.equal(decode('request', [other]).error, 'E_NOT_CANONICAL')
    assert.equal(cancel!.length, other.length - 1)
  })

  it('refuse a stream that ends inside a frame', async () => {
    const bytes = Buffer.concat(
      encodeFrame({ type: 'block', id: 1, i: 0, bytes: new Uint8Array(9) }),
    )
    async function* source(end: number): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, end)
    }
    const frames: Frame[] = []
    for await (const frame of decodeFrames('response')(source(bytes.length))) frames.push(frame)
    assert.equal(frames.length, 1)
    for (const end of [1, 20, bytes.length - 1]) {
      await assert.rejects(
        async () => {
          for await (const frame of decodeFrames('response')(source(end))) frames.push(frame)
        },
        { id: 'E_BAD_FRAME' },
      )
    }
    assert.equal(frames.length, 1)
  })
})
