import assert from 'node:assert/strict'
import { codec } from '../../src/codecs/bitdelta.ts'
import type { CodecContext } from '../../src/codecs/index.ts'
import { createSectionReader } from '../../src/codecs/sections/section-reader.ts'
import { createValueReader, valueScratchBytes } from '../../src/codecs/sections/values.ts'
import { allocateBuffers } from '../../src/compute/buffers.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { IncompatibleError, MalformedError } from '../../src/errors.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { encodeValues } from './encode-values.ts'
import { gaussian, relativeError } from './gaussian.ts'
import { hex, memorySections } from './memory-tensor.ts'
import { pseudoRandom } from './numbers.ts'

describe('bitdelta codec', () => {
  const kernels = openKernels()
  const encode = (values: ArrayLike<number>, parameters = {}) =>
    encodeValues(kernels, codec, values, parameters)

  it('replaces magnitudes by their mean', async () => {
    const delta = [0.1, -0.2, 0.3, -0.4]
    const { stored, decoded } = await encode(delta)
    assert.deepEqual(decoded, [0.25, -0.25, 0.25, -0.25])
    const error = delta.reduce((sum, value, i) => sum + (value - decoded[i]!) ** 2, 0)
    assert.ok(Math.abs(error - 0.05) < 1e-7)
    assert.deepEqual([...stored.keys()].toSorted(), ['scale', 'signs'])
    assert.equal(hex(stored.get('signs')!), '0005')
    assert.equal(hex(stored.get('scale')!), '0000803e')
  })

  it('has its least squared error at factor 1', async () => {
    const delta = [0.1, -0.2, 0.3, -0.4]
    for (const [factor, expected] of [
      [0.5, 0.1125],
      [1, 0.05],
      [1.5, 0.1125],
      [2, 0.3],
    ] as const) {
      const { decoded } = await encode(delta, { factor })
      const error = delta.reduce((sum, value, i) => sum + (value - decoded[i]!) ** 2, 0)
      assert.ok(Math.abs(error - expected) < 1e-6, `${factor}: ${error}`)
    }
  })

  it('keeps a zero or counts it as positive', async () => {
    const delta = [0, -0, 2, -4, 0, 0, 0, 0, 1, 1]
    const kept = await encode(delta)
    const mean = Math.fround(0.8)
    assert.deepEqual(kept.decoded, [0, 0, mean, -mean, 0, 0, 0, 0, mean, mean])
    assert.equal(hex(kept.stored.get('nonzero')!), '000c03')
    const plus = await encode(delta, { zeros: 'plus' })
    assert.deepEqual(
      plus.decoded,
      delta.map((value) => (value < 0 ? -mean : mean)),
    )
    assert.equal(plus.stored.get('nonzero'), undefined)
    // Gap codes of order 2: the one minus sign has three elements before it.
    assert.equal(hex(plus.stored.get('signs')!), '1207')
  })

  it('stores the signs of what is not zero alone, and none for a block of zeros', async () => {
    const signs = async (delta: ArrayLike<number>) =>
      hex((await encode(delta)).stored.get('signs')!)
    assert.equal(await signs([0, -0, 2, -4, 0, 0, 0, 0, 1, 1]), '1103')
    const delta = new Float32Array(3 * BLOCK_ELEMENTS).fill(1, 0, 3).fill(-1, 2 * BLOCK_ELEMENTS)
    const { stored, decoded } = await encode(delta)
    assert.deepEqual(decoded.map(Math.sign), [...delta])
    assert.equal(hex(stored.get('signs')!), '12000f00')
  })

  it('refuses a sign more or less than there are values', async () => {
    const delta = Float32Array.from({ length: 1000 }, (_, i) => [0, 1, -1, 1, -1][i % 5]!)
    const { stored, encoded } = await encode(delta)
    const [all, nonzero] = [stored.get('signs')!, stored.get('nonzero')!]
    for (const signs of [all.subarray(0, -1), Buffer.concat([all, Uint8Array.of(0)])]) {
      const sections = memorySections(new Map([...stored, ['signs', signs], ['nonzero', nonzero]]))
      const reader = await codec.open(encoded, sections, { kernels })
      const out = kernels.allocate(4000)
      await assert.rejects(reader.read(out, 1000, out), MalformedError)
      reader.close()
      kernels.release(out)
    }
  })

  it('shares all bytes but the scale among re-scaled siblings', async () => {
    const random = pseudoRandom(1)
    const delta = Array.from({ length: 70_000 }, (_, i) => (i % 9 === 0 ? 0 : random() - 0.5))
    const one = await encode(delta)
    const half = await encode(delta, { factor: 0.5 })
    for (const section of ['signs', 'nonzero']) {
      assert.deepEqual(half.stored.get(section), one.stored.get(section))
    }
    assert.notDeepEqual(half.stored.get('scale'), one.stored.get('scale'))
    assert.deepEqual(half.encoded.parameters, one.encoded.parameters)
  })

  it('takes 1 bit per weight and keeps 1 − 2/π of a Gaussian’s energy as error', async () => {
    const delta = gaussian(2 ** 20, 2)
    const { stored, decoded } = await encode(delta)
    const bytes = [...stored.values()].reduce((sum, section) => sum + section.length, 0)
    // A byte for each of 16 blocks says that its bits are as they are.
    assert.equal(bytes, 2 ** 20 / 8 + 16 + 4)
    assert.ok(Math.abs(relativeError(delta, decoded) - (1 - 2 / Math.PI)) < 0.002)
  })

  it('stores scale 0 for a zero delta and decodes it to +0 whatever the signs', async () => {
    const { stored, encoded } = await encode([0, 0, 0])
    assert.equal(hex(stored.get('scale')!), '00000000')
    assert.equal(stored.get('nonzero'), undefined)
    const negative = new Map(stored).set('signs', Uint8Array.of(0, 0))
    const reader = await codec.open(encoded, memorySections(negative), { kernels })
    const out = kernels.allocate(12)
    await reader.read(out, 3, out)
    assert.deepEqual([...out.u32.subarray(0, 3)], [0, 0, 0])
    reader.close()
    kernels.release(out)
  })

  it('refuses a scale that is negative, −0, infinite or no number', async () => {
    const { stored, encoded } = await encode([1, -1])
    for (const scale of ['000080bf', '00000080', '0000807f', '0000c07f']) {
      const sections = memorySections(new Map(stored).set('scale', Buffer.from(scale, 'hex')))
      await assert.rejects(codec.open(encoded, sections, { kernels }), MalformedError)
    }
  })

  it('refuses a bit behind the last element', async () => {
    const { stored, encoded } = await encode([1, -1])
    const sections = memorySections(new Map(stored).set('signs', Uint8Array.of(0, 0b101)))
    const reader = await codec.open(encoded, sections, { kernels })
    const out = kernels.allocate(8)
    await assert.rejects(reader.read(out, 2, out), MalformedError)
    reader.close()
    kernels.release(out)
  })

  it('refuses to encode a scale that f32 cannot hold', async () => {
    await assert.rejects(
      encode([3e38, 3e38], { factor: 4 }),
      (error) => error instanceof IncompatibleError && error.id === 'E_VALUE_RANGE',
    )
    assert.equal(kernels.allocated, 0)
  })

  describe('with scales of rows, columns and groups', () => {
    const golden = [0.1, -0.3, 0.5, -0.7]
    const encodeMatrix = (
      values: ArrayLike<number>,
      shape: readonly number[],
      parameters = {},
      calibration?: CodecContext['calibration'],
    ) => {
      const init = calibration ? { shape, calibration } : { shape }
      const all = { scaleDtype: 'F32', ...parameters } as const
      return encodeValues(kernels, codec, values, all, 'x', init)
    }
    const scalesOf = async (stored: ReadonlyMap<string, Uint8Array>, count: number) => {
      if (count === 1) return [...new Float32Array(Uint8Array.from(stored.get('scale')!).buffer)]
      using buffers = allocateBuffers(kernels, [4 * count, valueScratchBytes(count)])
      const [out, scratch] = buffers.regions
      const section = { kernels, name: 'x', dtype: 'F32', count, scratch } as const
      const bytes = createSectionReader(memorySections(stored), 'scale')
      await createValueReader(section, bytes).take(out, count)
      return [...out.f32.subarray(0, count)]
    }

    for (const [scales, expected, error] of [
      ['matrix', [0.4], 0.2],
      ['row', [0.2, 0.6], 0.04],
      ['column', [0.3, 0.5], 0.16],
      ['group', [0.2, 0.6], 0.04],
    ] as const) {
      it(`leaves a squared error of ${error} by ${scales} on the reference's matrix`, async () => {
        const { stored, decoded } = await encodeMatrix(golden, [2, 2], { scales })
        assert.deepEqual(await scalesOf(stored, expected.length), expected.map(Math.fround))
        assert.ok(Math.abs(squaredError(golden, decoded) - error) < 1e-7)
        assert.equal(hex(stored.get('signs')!), '0005')
      })
    }

    it('gives what is left of a row a scale of its own', async () => {
      const values = Array.from({ length: 2 * 20 }, (_, i) => i + 1)
      const { stored } = await encodeMatrix(values, [2, 20], { scales: 'group', group: 8 })
      const mean = (from: number, to: number) => (from + 1 + to) / 2
      assert.deepEqual(await scalesOf(stored, 6), [
        mean(0, 8),
        mean(8, 16),
        mean(16, 20),
        mean(20, 28),
        mean(28, 36),
        mean(36, 40),
      ])
    })

    it('has the scales of rows where a group is as long as a row', async () => {
      const values = gaussian(5 * 16, 6)
      const row = await encodeMatrix(values, [5, 16], { scales: 'row' })
      for (const group of [16, 1000]) {
        const other = await encodeMatrix(values, [5, 16], { scales: 'group', group })
        assert.deepEqual(other.decoded, row.decoded)
        assert.deepEqual(other.stored, row.stored)
      }
    })

    it('reads a tensor of four dimensions as outputs by all others, of one as a single row', async () => {
      const values = Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? i + 1 : -i - 1))
      for (const scales of ['row', 'column', 'group']) {
        const flat = await encodeMatrix(values, [4, 6], { scales })
        const deep = await encodeMatrix(values, [4, 2, 3, 1], { scales })
        assert.deepEqual(deep.stored, flat.stored)
      }
      const line = await encodeMatrix(values, [24], { scales: 'row' })
      assert.deepEqual(await scalesOf(line.stored, 1), [12.5])
      const column = await encodeMatrix(values, [24], { scales: 'column' })
      assert.deepEqual(column.decoded, values)
    })

    it('agrees with naive f64 means over blocks and rows that do not fit each other', async () => {
      const random = pseudoRandom(3)
      const [rows, columns] = [131, 1537]
      const values = Float32Array.from({ length: rows * columns }, () =>
        random() < 0.1 ? 0 : random() - 0.5,
      )
      for (const [parameters, keyOf] of [
        [{ scales: 'row' }, (row: number) => `${row}`],
        [{ scales: 'column', mean: 'nonzero' }, (_: number, column: number) => `${column}`],
        [
          { scales: 'group', group: 100, factor: 2 },
          (row: number, column: number) => `${row} ${Math.floor(column / 100)}`,
        ],
      ] as const) {
        const sums = new Map<string, [sum: number, count: number]>()
        const { factor, mean } = { factor: 1, mean: 'all', ...parameters }
        const keys = [...values.keys()].map((i) => keyOf(Math.floor(i / columns), i % columns))
        for (const [i, key] of keys.entries()) {
          const [sum, count] = sums.get(key) ?? [0, 0]
          const counts = mean === 'all' || values[i] !== 0
          sums.set(key, [sum + Math.abs(values[i]!), count + Number(counts)])
        }
        const { decoded } = await encodeMatrix(values, [rows, columns], parameters)
        for (const [i, key] of keys.entries()) {
          const [sum, count] = sums.get(key)!
          const expected = values[i] === 0 ? 0 : Math.sign(values[i]!) * (factor * (sum / count))
          assert.ok(Math.abs(decoded[i]! - expected) <= 1e-7 * Math.abs(expected), `${i}`)
        }
      }
    })

    it('takes no more than 16 bits per scale in BF16 and adds little error', async () => {
      const random = pseudoRandom(4)
      const values = Float32Array.from({ length: 64 * 1024 }, () => random() - 0.5)
      const short = await encodeMatrix(values, [64, 1024], { scales: 'group', scaleDtype: 'BF16' })
      const long = await encodeMatrix(values, [64, 1024], { scales: 'group' })
      assert.ok(short.stored.get('scale')!.length < 2 * 64 * 8)
      const [a, b] = [squaredError(values, short.decoded), squaredError(values, long.decoded)]
      assert.ok(a < b * (1 + 2e-5))
    })

    it('keeps rows of zeros and rows of one magnitude as they are', async () => {
      const values = [0, 0, 0, 0.5, -0.5, 0.5, 0, 0, 0]
      const { decoded } = await encodeMatrix(values, [3, 3], { scales: 'row' })
      assert.deepEqual(decoded, values)
    })

    it('refuses more columns than any layer has', async () => {
      await assert.rejects(
        encodeMatrix(new Float32Array(2 ** 19 + 1), [1, 2 ** 19 + 1], { scales: 'column' }),
        (error) => error instanceof IncompatibleError && error.id === 'E_COLUMNS',
      )
    })

    it('takes tensors without elements', async () => {
      for (const shape of [[0], [0, 4], [4, 0]]) {
        const { stored } = await encodeMatrix([], shape, { scales: 'row' })
        assert.equal(stored.size, 0)
      }
    })

    it('refuses a scale that is not finite where it is met', async () => {
      const { stored, encoded } = await encodeMatrix(golden, [2, 2], { scales: 'row' })
      // ∞ and 0, turned by one bit: three planes of zeros and one of two bytes.
      const scale = Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 0xff, 0)
      const sections = memorySections(new Map(stored).set('scale', scale))
      const reader = await codec.open(encoded, sections, { kernels })
      const out = kernels.allocate(16)
      await assert.rejects(reader.read(out, 4, out), MalformedError)
      reader.close()
      kernels.release(out)
    })

    it('fits the scales of a matrix and of rows to the outputs on given activations', async () => {
      const random = pseudoRandom(5)
      const [outputs, inputs, rows] = [5, 12, 7]
      const values = Float32Array.from({ length: outputs * inputs }, () => random() - 0.5)
      const activations = Float32Array.from({ length: rows * inputs }, () => random() - 0.3)
      const calibration = () => Promise.resolve({ rows, activations })
      /** X·v of one row of a matrix. */
      const respond = (matrix: ArrayLike<number>, row: number): number[] =>
        Array.from({ length: rows }, (_, n) => {
          let sum = 0
          for (let i = 0; i < inputs; i++) {
            sum += activations[n * inputs + i]! * matrix[row * inputs + i]!
          }
          return sum
        })
      const signs = values.map(Math.sign)
      const products = Array.from({ length: outputs }, (_, row) => {
        const [target, response] = [respond(values, row), respond(signs, row)]
        const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
        return [dot(target, response), dot(response, response)] as const
      })
      const byRow = await encodeMatrix(values, [outputs, inputs], { scales: 'row' }, calibration)
      const expected = products.map(([top, bottom]) => Math.max(0, top / bottom))
      for (const [row, scale] of (await scalesOf(byRow.stored, outputs)).entries()) {
        assert.ok(Math.abs(scale - expected[row]!) <= 1e-6 * expected[row]!)
      }
      const whole = await encodeMatrix(values, [outputs, inputs], {}, calibration)
      const [top, bottom] = products.reduce(([a, b], [c, d]) => [a + c, b + d] as const)
      const [scale] = await scalesOf(whole.stored, 1)
      assert.ok(Math.abs(scale! - top / bottom) < 1e-6)
      const plain = await encodeMatrix(values, [outputs, inputs], { scales: 'row' })
      assert.deepEqual(plain.stored.get('signs'), byRow.stored.get('signs'))
    })

    it('refuses activations of another width', async () => {
      const calibration = () => Promise.resolve({ rows: 2, activations: new Float32Array(6) })
      await assert.rejects(
        encodeMatrix(golden, [2, 2], {}, calibration),
        (error) => error instanceof IncompatibleError && error.id === 'E_CALIBRATION',
      )
      assert.equal(kernels.allocated, 0)
    })
  })
})

function squaredError(values: ArrayLike<number>, decoded: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value, i) => sum + (value - decoded[i]!) ** 2, 0)
}
