import assert from 'node:assert/strict'
import { COUNTS_BYTES, encodedCapacity, modelBytes } from '../../src/compute/kernels/entropy.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { createRandom } from '../../src/random.ts'
import { blank, place } from './sample-floats.ts'

describe('kernels: rANS', () => {
  const kernels = openKernels()

  /** Symbols under two contexts, with frequencies that are about right for both. */
  function coded(count: number, bits: number) {
    const random = createRandom('rans', count)
    const contexts = place(
      kernels,
      Uint8Array.from({ length: count }, () => random.below(2)),
    )
    const symbols = place(
      kernels,
      contexts.u8.subarray(0, count).map((context) => (context ? 250 + random.below(6) : 7)),
    )
    const region = kernels.allocate(2 * modelBytes(bits))
    const [one, six] = [new Uint16Array(256), new Uint16Array(256)]
    one[7] = 2 ** bits - 1
    one[9] = 1
    six.fill(Math.floor(2 ** bits / 6), 250)
    six[255]! += 2 ** bits - 6 * six[255]!
    kernels.buildModel(one, region, 0, bits)
    kernels.buildModel(six, region, 1, bits)
    const models = { region, count: 2, bits }
    const out = blank(kernels, encodedCapacity(count) + 64)
    const bytes = kernels.encodeSymbols(symbols, contexts, count, models, out)
    assert.equal(out.u8[out.bytes - bytes - 3], 0xa5, 'one word before the first is not kept')
    const input = place(kernels, out.u8.slice(out.bytes - bytes))
    return { contexts, symbols, models, input, bytes }
  }

  for (const count of [0, 1, 2, 3, 4, 5, 1003]) {
    it(`codes ${count} symbols under two contexts and gets them back`, () => {
      for (const bits of [12, 16]) {
        const { contexts, symbols, models, input, bytes } = coded(count, bits)
        const back = blank(kernels, count + 64)
        const source = { input, bytes, contexts }
        assert.equal(kernels.decodeSymbols(source, models, back, count), bytes)
        assert.deepEqual(back.u8.subarray(0, count), symbols.u8.subarray(0, count))
        assert.equal(back.u8[count], 0xa5)
      }
    })
  }

  it('reads and writes no more than it may, whatever the bytes', () => {
    const count = 1003
    const { contexts, models, input, bytes } = coded(count, 12)
    const back = blank(kernels, count + 64)
    const decode = (length: number): number =>
      kernels.decodeSymbols({ input, bytes: length, contexts }, models, back, count)
    for (const length of [0, 15, 16, bytes - 2, bytes - 1]) assert.equal(decode(length), 0)
    const random = createRandom('hostile')
    for (let attempt = 0; attempt < 500; attempt++) {
      const at = random.below(bytes)
      const flip = 1 << random.below(8)
      input.u8[at]! ^= flip
      assert.ok(decode(bytes) <= bytes)
      assert.equal(back.u8[count], 0xa5)
      input.u8[at]! ^= flip
    }
    assert.equal(decode(bytes), bytes)
  })

  it('refuses regions without room for every model', () => {
    const count = 1003
    const { contexts, symbols, models, input, bytes } = coded(count, 12)
    const out = kernels.allocate(encodedCapacity(count))
    const more = { ...models, count: 3 }
    const refused = { id: 'E_REGION' }
    assert.throws(() => kernels.encodeSymbols(symbols, contexts, count, more, out), refused)
    const source = { input, bytes, contexts }
    assert.throws(() => kernels.decodeSymbols(source, more, symbols, count), refused)
    const values = new Uint16Array(256)
    values[0] = 2 ** 12
    assert.throws(() => kernels.buildModel(values, models.region, 2, 12), refused)
  })

  it('counts symbols by context', () => {
    const symbols = place(kernels, Uint8Array.of(3, 3, 255, 3))
    const contexts = place(kernels, Uint8Array.of(0, 1, 1, 1))
    const counts = kernels.allocate(2 * COUNTS_BYTES)
    counts.u8.fill(0)
    kernels.countSymbols(symbols, contexts, 4, counts)
    const expected = new Uint32Array(512)
    expected[3] = 1
    expected[256 + 3] = 2
    expected[256 + 255] = 1
    assert.deepEqual(Uint32Array.from(counts.u32), expected)
  })

  it('refuses frequencies that do not add up', () => {
    const models = kernels.allocate(modelBytes(12))
    for (const sum of [0, 4095, 4097]) {
      const frequencies = new Uint16Array(256)
      frequencies[5] = sum
      assert.throws(
        () => kernels.buildModel(frequencies, models, 0, 12),
        (error) => error instanceof InvalidInputError && error.id === 'E_FREQUENCIES',
      )
    }
  })
})
