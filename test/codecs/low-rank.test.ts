import assert from 'node:assert/strict'
import { encodeFactors } from '../../src/codecs/factors/encode-factors.ts'
import { codec } from '../../src/codecs/low-rank.ts'
import { matrixOf } from '../../src/compute/matrix/matrix.ts'
import type { Matrix } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { IncompatibleError, MalformedError } from '../../src/errors.ts'
import { createRandom } from '../../src/random.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import type { WeightDType } from '../../src/tensors/dtype.ts'
import { elementsOf } from '../../src/tensors/tensor.ts'
import { encodeValues } from './encode-values.ts'
import { bytesOfFloats, collectSections, hex, memorySections, sha256Hex } from './memory-tensor.ts'
import { entropyBits, roundHalf } from './numbers.ts'
import { bytePlanes } from './symbols.ts'

const kernels = openKernels()
afterEach('gives all memory back', () => assert.equal(kernels.allocated, 0))

/** Factors of a tensor as LoRA has them, in memory that the test gives back. */
function lora(rows: number, rank: number, columns: number): { left: Matrix; right: Matrix } {
  const random = createRandom('lora', rows, rank, columns)
  const [left, right] = [
    [rows, rank],
    [rank, columns],
  ].map(([n, m]) => {
    const matrix = matrixOf(kernels.allocate(n! * m! * 4), n!, m!)
    for (let i = 0; i < n! * m!; i++) matrix.region.f32[i] = random.uniform() - 0.5
    return matrix
  }) as [Matrix, Matrix]
  return { left, right }
}

/** scale · Σ, every step rounded to f32. */
function product(b: Float32Array, a: Float32Array, rank: number, scale: number): Float32Array {
  const [rows, columns] = [b.length / rank, a.length / rank]
  return Float32Array.from({ length: rows * columns }, (_, k) => {
    const [i, j] = [Math.floor(k / columns), k % columns]
    let sum = 0
    for (let r = 0; r < rank; r++) {
      sum = Math.fround(sum + Math.fround(b[i * rank + r]! * a[r * columns + j]!))
    }
    return Math.fround(scale * sum)
  })
}

function assertSame(actual: Float32Array, expected: Float32Array): void {
  assert.equal(Buffer.compare(bytesOfFloats(actual), bytesOfFloats(expected)), 0)
}

async function storeLora(
  values: WeightDType,
  shape: readonly number[],
  rank: number,
  scale: number,
) {
  const spec = { name: 'w', dtype: 'BF16', shape } as const
  const { left, right } = lora(shape[0]!, rank, shape[1]!)
  const given = [left, right].map(({ region, rows, columns }) =>
    region.f32.slice(0, rows * columns),
  ) as [Float32Array, Float32Array]
  const { sink, stored } = collectSections()
  try {
    const result = await encodeFactors(spec, { left, right, scale }, values, sink, { kernels })
    return { encoded: { spec, codec: 'low-rank', ...result }, stored, given }
  } finally {
    for (const { region } of [left, right]) kernels.release(region)
  }
}

describe('codec low-rank', () => {
  it('keeps the factors that LoRA has, and decodes them block by block', async () => {
    for (const values of ['F32', 'BF16'] as const) {
      const { encoded, stored, given } = await storeLora(values, [300, 701], 5, 2 / 3)
      assert.deepEqual(encoded.parameters, { rank: 5, scale: Math.fround(2 / 3), values })
      const [b, a] = given.map((factor) =>
        values === 'F32' ? factor : factor.map((value) => roundHalf(values, value)),
      )
      const expected = product(b!, a!, 5, Math.fround(2 / 3))
      assert.equal(hex(encoded.sha256), sha256Hex(bytesOfFloats(expected)))

      const reader = await codec.open(encoded, memorySections(stored), { kernels })
      const out = kernels.allocate(BLOCK_ELEMENTS * 4)
      for (let from = 0; from < expected.length; from += BLOCK_ELEMENTS) {
        const count = Math.min(BLOCK_ELEMENTS, expected.length - from)
        await reader.read(out, count, out)
        assertSame(out.f32.subarray(0, count), expected.subarray(from, from + count))
      }
      reader.close()
      kernels.release(out)
    }
  })

  it('takes the entropy of the bytes of its factors', async () => {
    for (const values of ['BF16', 'F16', 'F32'] as const) {
      const { stored, given } = await storeLora(values, [1024, 1024], 16, 1)
      for (const [i, section] of ['left', 'right'].entries()) {
        const bits = bytePlanes(given[i]!, values).map(entropyBits)
        const entropy = bits.reduce((sum, each) => sum + each, 0) / 8
        const bytes = stored.get(section)!.length
        assert.ok(bytes <= 1.03 * entropy + 64, `${bytes} bytes, entropy ${entropy}`)
      }
    }
  })

  it('reads one row, one column and rows longer than a block', async () => {
    for (const shape of [
      [1, 40],
      [40, 1],
      [2, BLOCK_ELEMENTS + 3],
    ]) {
      const { encoded, stored, given } = await storeLora('F32', shape, 1, 1)
      const elements = elementsOf(shape)
      const reader = await codec.open(encoded, memorySections(stored), { kernels })
      const out = kernels.allocate(elements * 4)
      await reader.read(out, elements, out)
      assertSame(out.f32.subarray(0, elements), product(...given, 1, 1))
      reader.close()
      kernels.release(out)
    }
  })

  it('stores nothing for zeros', async () => {
    const { encoded, stored, decoded } = await encodeValues(
      kernels,
      codec,
      new Float32Array(12),
      {},
      'x',
      { shape: [3, 4] },
    )
    assert.deepEqual(encoded.parameters, { rank: 0, scale: 1, values: 'BF16' })
    assert.equal(stored.size, 0)
    assert.deepEqual(
      decoded,
      Array.from({ length: 12 }, () => 0),
    )
  })

  it('stores no more singular values than the energy asks for', async () => {
    const diagonal = [3, 0, 0, 0, 1, 0, 0, 0, 0.1]
    const parameters = { energy: 0.95, values: 'F32' }
    const { encoded } = await encodeValues(kernels, codec, diagonal, parameters, 'x', {
      shape: [3, 3],
    })
    assert.equal(encoded.parameters.rank, 2)
  })

  it('refuses what is no matrix, and factors that are not the tensor’s or of a higher rank', async () => {
    for (const shape of [[12], [2, 3, 2], []]) {
      const values = new Float32Array(elementsOf(shape))
      await assert.rejects(
        encodeValues(kernels, codec, values, {}, 'x', { shape }),
        (error) =>
          error instanceof IncompatibleError &&
          error.id === 'E_NOT_A_MATRIX' &&
          error.actual === `the shape [${shape.join(', ')}]`,
      )
    }
    await assert.rejects(
      storeLora('F32', [3, 9], 4, 1),
      (error) => error instanceof IncompatibleError && error.id === 'E_RANK',
    )
    const { left, right } = lora(3, 2, 9)
    const spec = { name: 'w', dtype: 'F32', shape: [9, 3] } as const
    await assert.rejects(
      encodeFactors(spec, { left, right, scale: 1 }, 'F32', async () => {}, { kernels }),
      (error) => error instanceof IncompatibleError && error.id === 'E_SHAPE_MISMATCH',
    )
    for (const { region } of [left, right]) kernels.release(region)
  })

  it('refuses values that the dtype cannot hold', async () => {
    const parameters = { values: 'F16' }
    await assert.rejects(
      encodeValues(kernels, codec, [1e12, 0, 0, 1], parameters, 'x', { shape: [2, 2] }),
      (error) => error instanceof IncompatibleError && error.id === 'E_VALUE_RANGE',
    )
  })

  it('opens no factors that are larger than the tensor or than their sections', async () => {
    const { encoded, stored } = await storeLora('F32', [300, 701], 5, 1)
    const before = kernels.peak
    for (const [shape, rank] of [
      [[300, 701], 301],
      [[300, 701], 6],
      [[300, 701], 0],
      [[210_300], 5],
      [[30_000, 70_100], 5],
      [[30_000, 70_100], 30_000],
    ] as const) {
      const parameters = { ...encoded.parameters, rank }
      const claimed = { ...encoded, spec: { ...encoded.spec, shape }, parameters }
      await assert.rejects(codec.open(claimed, memorySections(stored), { kernels }), MalformedError)
    }
    assert.ok(kernels.peak - before < 4 * 2 ** 20)
  })
})
