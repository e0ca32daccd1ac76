import assert from 'node:assert/strict'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRandom } from '../../src/random.ts'
import { blank, place } from './sample-floats.ts'

const counts = [0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 200, 1003]

describe('kernels: bits by a mask', () => {
  const kernels = openKernels()

  for (const density of [0, 0.03, 0.5, 0.97, 1]) {
    it(`come to the front and back for a mask of density ${density}`, () => {
      for (const count of counts) {
        const random = createRandom('compact bits', count)
        const draw = (share: number): number[] =>
          Array.from({ length: count }, () => Number(random.uniform() < share))
        const [given, chosen] = [draw(0.5), draw(density)]
        const kept = given.filter((_, i) => chosen[i] === 1)
        // Bits past the count are set, and must not be seen.
        const spare = Array<number>(100).fill(1)
        const bits = place(kernels, packed([...given, ...spare]))
        const mask = place(kernels, packed([...chosen, ...spare]))

        const out = blank(kernels, 160)
        assert.equal(kernels.compactBits(bits, mask, out, count), kept.length)
        const bytes = packed(kept)
        assert.deepEqual(out.u8.slice(0, bytes.length), bytes)
        assert.equal(out.u8[bytes.length], 0xa5)

        const source = place(kernels, packed([...kept, ...spare]))
        const back = blank(kernels, 160)
        assert.equal(kernels.expandBits(source, mask, back, count), kept.length)
        const spread = packed(given.map((bit, i) => bit & chosen[i]!))
        assert.deepEqual(back.u8.slice(0, spread.length), spread)
        assert.equal(back.u8[spread.length], 0xa5)
        for (const region of [bits, mask, out, source, back]) kernels.release(region)
      }
    })
  }

  it('stay inside their regions', () => {
    const [short, mask] = [kernels.allocate(64), kernels.allocate(128)]
    mask.u8.fill(0xff)
    const count = 8 * 128
    assert.throws(() => kernels.compactBits(mask, mask, short, count), { id: 'E_REGION' })
    assert.throws(() => kernels.expandBits(short, mask, mask, count), { id: 'E_REGION' })
  })
})

function packed(bits: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8))
  for (const [i, bit] of bits.entries()) bytes[i >> 3]! |= bit << (i & 7)
  return bytes
}
