import assert from 'node:assert/strict'
import { zstdCompressSync } from 'node:zlib'
import { decodePlane, encodePlane } from '../../src/codecs/sections/plane.ts'
import { createSectionReader } from '../../src/codecs/sections/section-reader.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { MalformedError } from '../../src/errors.ts'
import { memorySections } from './memory-tensor.ts'
import { pseudoRandom } from './numbers.ts'

const kernels = openKernels()

describe('byte plane', () => {
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

  it('stops at the size it expects', async () => {
    const zeros = Buffer.alloc(64 * 1024 * 1024)
    const bomb = zstdCompressSync(zeros)
    assert.ok(bomb.length < 65_536)
    const frames = [
      zstdFrame(bomb),
      zstdFrame(zstdCompressSync(zeros.subarray(0, 999))),
      zstdFrame(zstdCompressSync(zeros.subarray(0, 1001))),
      zstdFrame(new Uint8Array(0)),
      zstdFrame(Buffer.from('garbage')),
      Uint8Array.of(2, 255, 255, 1),
      Uint8Array.of(3, 0),
      Uint8Array.of(1, 0),
      Uint8Array.of(0),
      new Uint8Array(0),
    ]
    for (const frame of frames) {
      await assert.rejects(
        decode(frame, 1000),
        (error) => error instanceof MalformedError && error.id === 'E_BAD_ENCODING',
      )
    }
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

function zstdFrame(packed: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(2, packed.length & 255, packed.length >> 8), packed])
}

async function decode(frame: Uint8Array, bytes: number): Promise<Uint8Array> {
  const reader = createSectionReader(memorySections(new Map([['planes', frame]])), 'planes')
  const plane = new Uint8Array(bytes)
  await decodePlane(kernels, reader, plane)
  reader.end()
  return plane
}
