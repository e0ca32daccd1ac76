import assert from 'node:assert/strict'
import {
  decodeMask,
  encodeMask,
  maskBytes,
  maskScratchBytes,
} from '../../src/codecs/sections/mask.ts'
import { createSectionReader } from '../../src/codecs/sections/section-reader.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { MalformedError } from '../../src/errors.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { memorySections } from './memory-tensor.ts'
import { pseudoRandom } from './numbers.ts'

describe('mask of a block', () => {
  const kernels = openKernels()
  const bits = kernels.allocate(BLOCK_ELEMENTS / 8)
  const back = kernels.allocate(BLOCK_ELEMENTS / 8)
  const scratch = kernels.allocate(maskScratchBytes(BLOCK_ELEMENTS))

  async function decode(frame: Uint8Array, count: number): Promise<void> {
    const reader = createSectionReader(memorySections(new Map([['mask', frame]])), 'mask')
    await decodeMask(kernels, reader, back, count, scratch)
    reader.end()
  }

  /** Sets each bit with that probability, in runs of that length. */
  function fill(count: number, density: number, run = 1): void {
    const random = pseudoRandom(count + run)
    bits.u8.fill(0)
    for (let i = 0; i < count; i += run) {
      if (random() >= density) continue
      for (let j = i; j < Math.min(i + run, count); j++) bits.u8[j >> 3]! |= 1 << (j & 7)
    }
  }

  for (const density of [0, 0.001, 0.01, 0.1, 0.17, 0.382, 0.5, 0.8, 0.999, 1]) {
    it(`of density ${density} is within 3 % of its entropy and 3 bytes, and decodes`, async () => {
      for (const count of [1, 9, 1000, BLOCK_ELEMENTS]) {
        fill(count, density)
        const frame = encodeMask(kernels, bits, count, scratch)
        const share = kernels.countBits(bits, count) / count
        const entropy = (count * (xlog(share) + xlog(1 - share))) / 8
        assert.ok(frame.length <= 1.03 * entropy + (count > 1000 ? 3 : 16), `${frame.length}`)
        const [least, most] = maskBytes(count)
        assert.ok(frame.length >= least && frame.length <= most)
        await decode(frame, count)
        const bytes = Math.ceil(count / 8)
        assert.equal(Buffer.compare(back.u8.subarray(0, bytes), bits.u8.subarray(0, bytes)), 0)
      }
    })
  }

  it('takes a fifth of that where ones come in runs', async () => {
    fill(BLOCK_ELEMENTS, 0.05, 256)
    const share = kernels.countBits(bits, BLOCK_ELEMENTS) / BLOCK_ELEMENTS
    const frame = encodeMask(kernels, bits, BLOCK_ELEMENTS, scratch)
    assert.ok(frame.length < (BLOCK_ELEMENTS * (xlog(share) + xlog(1 - share))) / 8 / 5)
    await decode(frame, BLOCK_ELEMENTS)
    assert.equal(Buffer.compare(back.u8, bits.u8), 0)
  })

  it('refuses other kinds, bits behind the last element, and what ends early', async () => {
    fill(1001, 0.4)
    const plain = Uint8Array.from({ length: 2 + 126 }, (_, i) => [0x20, 1][i] ?? 1)
    await decode(plain, 1001)
    for (const frame of [
      plain.with(127, 3),
      Uint8Array.of(0x21, 0, 0),
      Uint8Array.of(0xff, 0, 0),
      Uint8Array.of(3),
      Uint8Array.of(),
      encodeMask(kernels, bits, 1001, scratch).subarray(0, -1),
    ]) {
      await assert.rejects(
        decode(frame, 1001),
        (error) => error instanceof MalformedError && error.id === 'E_BAD_ENCODING',
      )
    }
  })
})

/** −x·log₂ x, 0 at 0. */
function xlog(x: number): number {
  return x === 0 ? 0 : -x * Math.log2(x)
}
