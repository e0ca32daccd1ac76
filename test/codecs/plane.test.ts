import assert from 'node:assert/strict'
import { decodePlane, encodePlane } from '../../src/codecs/sections/plane.ts'
import { createSectionReader } from '../../src/codecs/sections/section-reader.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { MalformedError } from '../../src/errors.ts'
import { memorySections } from './memory-tensor.ts'
import { pseudoRandom } from './numbers.ts'

const kernels = openKernels()

/** Symbols as functions of a number that is uniform in [0, 1). */
const sources: Readonly<Record<string, (uniform: number) => number>> = {
  '2 alike': (u) => u * 2,
  '3 alike': (u) => u * 3,
  '4 alike': (u) => u * 4,
  '8 alike': (u) => u * 8,
  '16 alike': (u) => u * 16,
  '130 alike': (u) => u * 130,
  '256 alike': (u) => u * 256,
  '1 of 2 in a hundred': (u) => (u < 0.99 ? 0 : 1),
  '2 of 3 in a hundred': (u) => (u < 0.99 ? 1 : u < 0.995 ? 0 : 2),
  '15 of 16 in a hundred': (u) => (u < 0.99 ? 0 : 1 + (u - 0.99) * 1500),
  '256 of which each e-th is as common again': (u) => Math.min(255, -Math.log(1 - u) * 9),
}

describe('plane of symbols', () => {
  const random = pseudoRandom(5)

  it('takes the shortest of its three forms', async () => {
    const planes: readonly (readonly [number, Uint8Array])[] = [
      [0, new Uint8Array(65_536).fill(7)],
      [0, Uint8Array.of(9)],
      [1, Uint8Array.of(1, 2, 3)],
      [1, Uint8Array.from({ length: 65_536 }, () => random() * 256)],
      [2, Uint8Array.from({ length: 65_536 }, () => random() * 16)],
      [2, Uint8Array.from({ length: 5000 }, (_, i) => (i === 4999 ? 1 : 0))],
    ]
    for (const [kind, plane] of planes) {
      const frame = encodePlane(kernels, plane)
      assert.equal(frame[0], kind)
      assert.ok(frame.length >= 2 && frame.length <= 1 + plane.length)
      assert.deepEqual(await decode(frame, plane.length), plane)
    }
  })

  it('has the bytes that version 1 of the format fixes', () => {
    const plane = Uint8Array.from({ length: 200 }, (_, i) =>
      i % 7 === 0 ? 2 : i % 3 === 0 ? 1 : 0,
    )
    assert.equal(
      Buffer.from(encodePlane(kernels, plane)).toString('hex'),
      '0233000b2c4e023e8300a6240a00e9933e00263c4200f1d5384d62a4067c5785c22469a2ca8f20505877221d9727009000b0009000a2',
    )
  })

  for (const [name, symbol] of Object.entries(sources)) {
    it(`stores 2²⁰ symbols, ${name}, in 1.03 times their order-0 entropy and 64 bytes`, async () => {
      const symbols = Uint8Array.from({ length: 2 ** 20 }, () => symbol(random()))
      let bytes = 0
      for (let at = 0; at < symbols.length; at += 65_536) {
        const plane = symbols.subarray(at, at + 65_536)
        const frame = encodePlane(kernels, plane)
        if (at === 0) assert.deepEqual(await decode(frame, plane.length), plane)
        bytes += frame.length
      }
      assert.ok(bytes <= 1.03 * entropyBytes(symbols) + 64, `${bytes} bytes`)
    })
  }

  it('refuses frames that are cut, extended or of an unknown kind', async () => {
    const plane = Uint8Array.from({ length: 1000 }, () => random() * random() * 9)
    const frame = encodePlane(kernels, plane)
    const length = frame.length - 3
    const frames = [
      Buffer.concat([packedHead(length - 1), frame.subarray(3, -1)]),
      Buffer.concat([packedHead(length + 1), frame.subarray(3), Uint8Array.of(0)]),
      frame.subarray(0, -1),
      packedHead(0),
      Uint8Array.of(2, 255, 255, 1),
      Uint8Array.of(3, 0),
      Uint8Array.of(1, 0),
      Uint8Array.of(0),
      new Uint8Array(0),
    ]
    for (const bad of frames) await assert.rejects(decode(bad, plane.length), isBadEncoding)
  })

  it('survives hostile bytes, holding no more than the plane asks for', async () => {
    const plane = Uint8Array.from({ length: 300 }, () => random() * random() * 40)
    const frame = encodePlane(kernels, plane)
    const own = openKernels()
    for (let attempt = 0; attempt < 3000; attempt++) {
      const bad = Uint8Array.from(frame)
      const flips = 1 + Math.floor(random() * 4)
      for (let i = 0; i < flips; i++) bad[3 + Math.floor(random() * 40)] = random() * 256
      await decode(bad, plane.length, own).catch((error: unknown) =>
        assert.ok(isBadEncoding(error)),
      )
    }
    assert.equal(own.allocated, 0)
    // The largest model, and input, contexts and symbols of a plane.
    assert.ok(own.peak <= 2 ** 16 + 1024 + 3 * 320)
  })
})

describe('section reader', () => {
  it('gives any pieces of a section in order, across its windows', async () => {
    const random = pseudoRandom(6)
    const section = Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251)
    const reader = createSectionReader(memorySections(new Map([['s', section]])), 's')
    for (let at = 0; at < section.length;) {
      const length = Math.min(section.length - at, Math.floor(random() * 300_000))
      assert.equal(Buffer.compare(await reader.take(length), section.subarray(at, at + length)), 0)
      at += length
    }
    reader.end()
    await assert.rejects(reader.take(1), MalformedError)
  })
})

function packedHead(length: number): Uint8Array {
  return Uint8Array.of(2, length & 255, length >> 8)
}

function isBadEncoding(error: unknown): boolean {
  return error instanceof MalformedError && error.id === 'E_BAD_ENCODING'
}

function entropyBytes(symbols: Uint8Array): number {
  const counts = new Map<number, number>()
  for (const symbol of symbols) counts.set(symbol, (counts.get(symbol) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits += count * Math.log2(symbols.length / count)
  return bits / 8
}

async function decode(frame: Uint8Array, bytes: number, own = kernels): Promise<Uint8Array> {
  const reader = createSectionReader(memorySections(new Map([['planes', frame]])), 'planes')
  const plane = new Uint8Array(bytes)
  await decodePlane(own, reader, plane)
  reader.end()
  return plane
}
