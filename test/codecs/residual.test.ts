import assert from 'node:assert/strict'
import { codec } from '../../src/codecs/residual.ts'
import { bitmapBytes } from '../../src/codecs/sections/bits.ts'
import { decodeMask, maskScratchBytes } from '../../src/codecs/sections/mask.ts'
import { createSectionReader } from '../../src/codecs/sections/section-reader.ts'
import { allocateBuffers } from '../../src/compute/buffers.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { IncompatibleError, MalformedError } from '../../src/errors.ts'
import { encodeValues, type StoredValues } from './encode-values.ts'
import { gaussian, relativeError } from './gaussian.ts'
import { memorySections } from './memory-tensor.ts'
import { pseudoRandom } from './numbers.ts'

const kernels = openKernels()

describe('residual codec', () => {
  const encode = (values: ArrayLike<number>, parameters = {}, init = {}) =>
    encodeValues(kernels, codec, values, parameters, 'x', init)
  const scalesOf = ({ stored }: StoredValues) =>
    new Float32Array(Uint8Array.from(stored.get('scale')!).buffer)

  afterEach('gives all memory back', () => assert.equal(kernels.allocated, 0))

  it('takes the mean magnitude of what the planes before leave', async () => {
    const golden = [0.1, -0.2, 0.3, -0.4]
    const found = await encode(golden, { bits: 3, fit: 'greedy' })
    for (const [i, expected] of [0.25, 0.1, 0.05].entries()) {
      assert.ok(Math.abs(scalesOf(found)[i]! - expected) < 1e-7)
    }
    for (const [i, value] of found.decoded.entries()) {
      assert.ok(Math.abs(value - golden[i]!) < 1e-7)
    }
    assert.deepEqual([...found.stored.keys()], ['signs0', 'signs1', 'signs2', 'scale'])
  })

  it('has the distortion of the reference on a Gaussian, and less when alternating', async () => {
    const delta = gaussian(1 << 18, 1)
    for (const [bits, greedy, alternating] of [
      [1, 0.364, 0.3634],
      [2, 0.131, 0.1175],
      [3, 0.059, 0.0372],
      [4, 0.033, 0.0116],
    ] as const) {
      for (const [fit, expected] of [
        ['greedy', greedy],
        ['alternating', alternating],
      ] as const) {
        const error = relativeError(delta, (await encode(delta, { bits, fit })).decoded)
        assert.ok(Math.abs(error / expected - 1) < 0.03, `${bits} ${fit}: ${error}`)
      }
    }
  })

  it('gives every element the nearest level, and least squares for its signs', async () => {
    const delta = gaussian(500, 2)
    const found = await encode(delta, { bits: 3 })
    const scales = scalesOf(found)
    const levels = Array.from({ length: 8 }, (_, code) =>
      scales.reduce((sum, scale, b) => Math.fround(sum + ((code >> b) & 1 ? scale : -scale)), 0),
    )
    for (const [i, value] of delta.entries()) {
      const distance = Math.min(...levels.map((level) => Math.abs(level - value)))
      assert.equal(Math.abs(found.decoded[i]! - value), distance)
    }
    for (let b = 0; b < 3; b++) {
      const signs = await signsOf(found.stored, b, delta.length)
      for (const factor of [0.99, 1.01]) {
        const moved = found.decoded.map((value, i) => {
          return value + signs[i]! * scales[b]! * (factor - 1)
        })
        assert.ok(relativeError(delta, moved) > relativeError(delta, found.decoded))
      }
    }
  })

  it('fits rows on their own, and rows that end inside blocks', async () => {
    const random = pseudoRandom(3)
    const [rows, columns] = [67, 1531]
    const delta = Float32Array.from(
      { length: rows * columns },
      (_, i) => (random() - 0.5) * (1 + Math.floor(i / columns)),
    )
    for (const fit of ['greedy', 'alternating']) {
      const parameters = { bits: 3, fit, scales: 'row', scaleDtype: 'F32' }
      const whole = await encode(delta, parameters, { shape: [rows, columns] })
      assert.equal(scalesOf(whole).length, 3 * rows)
      for (const row of [0, 41, 42, 66]) {
        const part = [row * columns, (row + 1) * columns] as const
        const alone = await encode(delta.subarray(...part), { bits: 3, fit })
        assert.deepEqual(scalesOf(whole).subarray(row * 3, row * 3 + 3), scalesOf(alone))
        assert.deepEqual(whole.decoded.slice(...part), alone.decoded)
      }
    }
  })

  it('takes a bit for each plane and weight, and its scales in their dtype', async () => {
    const { stored } = await encode(gaussian(1 << 16, 4), { bits: 4, scales: 'row' }, rowsOf(64))
    assert.equal(bytesOf(stored), 4 * (1 + 65_536 / 8) + 4 * 64 * 2)
  })

  it('takes zeros, one element, equal magnitudes, odd shapes and no elements', async () => {
    for (const fit of ['greedy', 'alternating']) {
      for (const scales of ['matrix', 'row']) {
        const parameters = { fit, scales, bits: 8, scaleDtype: 'F32' }
        assert.deepEqual((await encode([0, -0, 0], parameters)).decoded, [0, 0, 0])
        assert.deepEqual((await encode([-0.5], parameters)).decoded, [-0.5])
        const equal = [0.5, -0.5, 0.5, -0.5, -0.5, 0.5, 0.5, 0.5]
        const deep = await encode(equal, parameters, { shape: [2, 2, 1, 2] })
        assert.deepEqual(deep.decoded, equal)
        for (const shape of [[0], [0, 3], [3, 0]]) {
          assert.equal((await encode([], parameters, { shape })).stored.size, 0)
        }
      }
    }
  })

  it('fits scales to the outputs on given activations', async () => {
    const random = pseudoRandom(6)
    const [outputs, inputs, rows, bits] = [4, 16, 9, 2]
    const delta = Float32Array.from({ length: outputs * inputs }, () => random() - 0.5)
    const activations = Float32Array.from({ length: rows * inputs }, () => random() - 0.2)
    const init = {
      shape: [outputs, inputs],
      calibration: () => Promise.resolve({ rows, activations }),
    }
    for (const scales of ['matrix', 'row']) {
      const parameters = { bits, scales, scaleDtype: 'F32' }
      const plain = await encode(delta, parameters, { shape: [outputs, inputs] })
      const fitted = await encode(delta, parameters, init)
      for (const name of ['signs0', 'signs1']) {
        assert.deepEqual(fitted.stored.get(name), plain.stored.get(name))
      }
      const errorOf = (decoded: readonly number[]): number => {
        let error = 0
        for (let row = 0; row < outputs; row++) {
          for (let n = 0; n < rows; n++) {
            let sum = 0
            for (let i = 0; i < inputs; i++) {
              const at = row * inputs + i
              sum += activations[n * inputs + i]! * (decoded[at]! - delta[at]!)
            }
            error += sum ** 2
          }
        }
        return error
      }
      assert.ok(errorOf(fitted.decoded) < errorOf(plain.decoded))
      // Nothing near has a smaller error: each scale is moved on its own, and in each row.
      const found = scalesOf(fitted)
      const signs = await Promise.all(
        Array.from({ length: bits }, (_, plane) =>
          signsOf(fitted.stored, plane, fitted.decoded.length),
        ),
      )
      for (const [at, scale] of found.entries()) {
        const [plane, unit] = [at % bits, Math.floor(at / bits)]
        for (const change of [-1e-3, 1e-3]) {
          const moved = fitted.decoded.map((value, i) => {
            if (scales === 'row' && Math.floor(i / inputs) !== unit) return value
            return value + signs[plane]![i]! * change * Math.abs(scale)
          })
          assert.ok(errorOf(moved) > errorOf(fitted.decoded))
        }
      }
    }
  })

  it('refuses scales whose sum is not finite', async () => {
    const { stored, encoded } = await encode([1, -2], { bits: 2 })
    const scale = Buffer.alloc(8)
    scale.writeFloatLE(3e38)
    scale.writeFloatLE(3e38, 4)
    const sections = memorySections(new Map(stored).set('scale', scale))
    const reader = await codec.open(encoded, sections, { kernels })
    const out = kernels.allocate(8)
    await assert.rejects(reader.read(out, 2, out), MalformedError)
    reader.close()
    kernels.release(out)
  })

  it('refuses to encode scales that their dtype cannot hold', async () => {
    await assert.rejects(
      encode([1e5, -1e5], { scales: 'row', scaleDtype: 'F16' }),
      (error) => error instanceof IncompatibleError && error.id === 'E_VALUE_RANGE',
    )
  })
})

/** The signs of a plane of at most one block. */
async function signsOf(stored: ReadonlyMap<string, Uint8Array>, plane: number, count: number) {
  const reader = createSectionReader(memorySections(stored), `signs${plane}`)
  using buffers = allocateBuffers(kernels, [bitmapBytes(count), maskScratchBytes(count)])
  const [bits, scratch] = buffers.regions
  await decodeMask(kernels, reader, bits, count, scratch)
  return Array.from({ length: count }, (_, i) => ((bits.u8[i >> 3]! >> (i & 7)) & 1 ? 1 : -1))
}

function rowsOf(rows: number) {
  return { shape: [rows, 65_536 / rows] }
}

function bytesOf(stored: ReadonlyMap<string, Uint8Array>): number {
  return [...stored.values()].reduce((sum, section) => sum + section.length, 0)
}
