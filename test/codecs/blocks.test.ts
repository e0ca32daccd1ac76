import assert from 'node:assert/strict'
import { codec as bitdelta } from '../../src/codecs/bitdelta.ts'
import { codec } from '../../src/codecs/blocks.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { MalformedError } from '../../src/errors.ts'
import { encodeValues } from './encode-values.ts'
import { gaussian, relativeError } from './gaussian.ts'
import { memorySections } from './memory-tensor.ts'
import { pseudoRandom } from './numbers.ts'

describe('blocks codec', () => {
  const kernels = openKernels()
  const encode = (values: ArrayLike<number>, parameters = {}) =>
    encodeValues(kernels, codec, values, parameters)

  afterEach('gives all memory back', () => assert.equal(kernels.allocated, 0))

  const million = gaussian(1 << 20, 4)
  const golden = [0.1, -0.2, 0.3, -0.4]

  for (const [blocks, expected] of [
    [1, [0.25, -0.25, 0.25, -0.25]],
    [2, [0.15, -0.15, 0.35, -0.35]],
    [4, golden],
    [64, golden],
  ] as const) {
    it(`gives the reference's values for ${blocks} blocks of four elements`, async () => {
      const { decoded } = await encode(golden, { blocks })
      for (const [i, value] of decoded.entries()) assert.ok(Math.abs(value - expected[i]!) < 1e-7)
    })
  }

  it('is bitdelta with one block, byte for byte', async () => {
    const delta = gaussian(70_000, 1).map((value, i) => (i % 9 === 0 ? 0 : value))
    for (const split of ['equal-count', 'equal-width', 'lloyd']) {
      const one = await encode(delta, { blocks: 1, split })
      const other = await encodeValues(kernels, bitdelta, delta)
      assert.deepEqual(one.decoded, other.decoded)
      assert.deepEqual(one.stored.get('signs'), other.stored.get('signs'))
      assert.deepEqual(one.stored.get('values'), other.stored.get('scale'))
      assert.equal(one.stored.get('indexes'), undefined)
    }
  })

  it('loses nothing with as many blocks as elements', async () => {
    const delta = gaussian(64, 2)
    assert.deepEqual((await encode(delta, { blocks: 64 })).decoded, [...delta])
  })

  it('has an error that does not grow when every block is halved', async () => {
    const random = pseudoRandom(3)
    // Few different magnitudes, so that ties lie on most borders.
    const delta = Float32Array.from({ length: 64 }, () => Math.floor(random() * 21 - 10) / 8)
    const errors: number[] = []
    for (const blocks of [1, 2, 4, 8, 16, 32, 64]) {
      errors.push(relativeError(delta, (await encode(delta, { blocks })).decoded))
    }
    for (const [i, error] of errors.entries()) assert.ok(error <= (errors[i - 1] ?? 1) + 1e-12)
    assert.equal(errors.at(-1), 0)
  })

  it('gives ties to the lower block in the order of their index', async () => {
    const { stored } = await encode([1, -1, 1, 1, -1, 1, 1, 1], { blocks: 4 })
    // Two to each block: bitmaps of bit 0 and bit 1.
    assert.deepEqual([...stored.get('indexes')!], [0, 0b11001100, 0b11110000])
  })

  it('has the distortion of the reference on a Gaussian', async () => {
    for (const [blocks, expected] of [
      [2, 0.139],
      [4, 0.0552],
      [8, 0.0223],
      [16, 0.0093],
    ] as const) {
      const error = relativeError(million, (await encode(million, { blocks })).decoded)
      assert.ok(Math.abs(error / expected - 1) < 0.03, `${blocks}: ${error}`)
    }
  })

  it('has the least error on a Gaussian with Lloyd–Max blocks', async () => {
    const delta = gaussian(1 << 18, 5)
    // Max, "Quantizing for minimum distortion" (1960), table I, for twice as many levels.
    for (const [blocks, expected] of [
      [2, 0.1175],
      [4, 0.03454],
      [8, 0.009497],
      [16, 0.002499],
    ] as const) {
      const error = relativeError(delta, (await encode(delta, { blocks, split: 'lloyd' })).decoded)
      assert.ok(Math.abs(error / expected - 1) < 0.02, `${blocks}: ${error}`)
    }
  })

  it('takes zeros, one element, equal magnitudes and no elements', async () => {
    for (const split of ['equal-count', 'equal-width', 'lloyd']) {
      assert.deepEqual((await encode([0, -0, 0], { split })).decoded, [0, 0, 0])
      assert.deepEqual((await encode([-0.5], { split })).decoded, [-0.5])
      const equal = [0.5, -0.5, 0.5, 0.5, -0.5]
      assert.deepEqual((await encode(equal, { split, blocks: 3 })).decoded, equal)
      assert.equal((await encode([], { split })).stored.size, 0)
    }
  })

  it('refuses an index without a value and a value out of range', async () => {
    const { stored, encoded } = await encode([1, 2, 3], { blocks: 3 })
    const read = async (section: string, bytes: Uint8Array) => {
      const sections = memorySections(new Map(stored).set(section, bytes))
      const reader = await codec.open(encoded, sections, { kernels })
      const out = kernels.allocate(12)
      await reader.read(out, 3, out).finally(() => {
        reader.close()
        kernels.release(out)
      })
    }
    await read('indexes', Uint8Array.of(0, 0b010, 0b100))
    await assert.rejects(read('indexes', Uint8Array.of(0, 0b111, 0b111)), MalformedError)
    await assert.rejects(read('indexes', Uint8Array.of(2, 0b111, 0b111)), MalformedError)
    const values = Uint8Array.from(stored.get('values')!)
    values[3] = 0xbf
    await assert.rejects(read('values', values), MalformedError)
  })
})
