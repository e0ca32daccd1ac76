import assert from 'node:assert/strict'
import type { Region } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { sliceRegion } from '../../src/compute/slice-region.ts'
import { operator as della } from '../../src/operators/della.ts'
import { createRandom, maskKey, philox } from '../../src/random.ts'
import { runOnTensor, type RunOptions } from '../support/run-operator.ts'

const name = 'model.layers.0.mlp.up_proj.weight'
const row = [0.1, -0.4, 0.2, 0.3]
const half = { density: 0.5, epsilon: 0.2 }

function run(
  values: readonly number[] | Float32Array,
  shape: readonly number[],
  parameters: object,
  options: RunOptions = {},
): Promise<Float32Array> {
  return runOnTensor(della, [values], { name, shape, ...options, parameters: { ...parameters } })
}

/** The shares of rows in which each place is kept, and the means there. */
function places(out: Float32Array, width: number): { kept: number[]; mean: number[] } {
  const [kept, mean] = [
    Array.from({ length: width }, () => 0),
    Array.from({ length: width }, () => 0),
  ]
  const rows = out.length / width
  out.forEach((value, i) => {
    kept[i % width]! += Number(value !== 0) / rows
    mean[i % width]! += value / rows
  })
  return { kept, mean }
}

function repeated(values: readonly number[], rows: number): Float32Array {
  return Float32Array.from({ length: rows * values.length }, (_, i) => values[i % values.length]!)
}

describe('della', () => {
  const rows = 100_000

  it('keeps by rank within the row, each element divided by its own probability', async () => {
    const out = await run(repeated(row, rows), [rows, 4], half)
    const { kept, mean } = places(out, 4)
    const probabilities = [0.3, 0.7, 0.5 + 0.2 * (2 / 3 - 1), 0.5 + 0.2 / 3]
    const expected = [0.1 / 0.3, -0.4 / 0.7, 0.4615385, 0.5294118]
    probabilities.forEach((probability, i) => {
      const deviation = Math.sqrt((probability * (1 - probability)) / rows)
      assert.ok(Math.abs(kept[i]! - probability) < 5 * deviation)
      const scaled = Math.abs(expected[i]!) * deviation
      assert.ok(Math.abs(mean[i]! - row[i]!) < 5 * scaled, 'the mean stays')
    })
    out.forEach((value, i) => {
      assert.ok(value === 0 || Math.abs(value - expected[i % 4]!) < 1e-6)
    })
  })

  it('gives equals different ranks, the lowest index the highest', async () => {
    const { kept } = places(await run(new Float32Array(rows * 3).fill(-2), [rows, 3], half), 3)
    kept.forEach((share, i) => assert.ok(Math.abs(share - [0.7, 0.5, 0.3][i]!) < 0.01))
  })

  it('follows magnitudes between the smallest and the largest of the row instead', async () => {
    const x = repeated([0.1, -0.5, 0.2], rows)
    const out = await run(x, [rows, 3], { ...half, probability: 'magnitude' })
    const { kept } = places(out, 3)
    kept.forEach((share, i) => assert.ok(Math.abs(share - [0.3, 0.7, 0.4][i]!) < 0.01))
    const equal = new Float32Array(rows * 2).fill(1)
    const even = places(await run(equal, [rows, 2], { ...half, probability: 'magnitude' }), 2)
    even.kept.forEach((share) => assert.ok(Math.abs(share - 0.5) < 0.01))
  })

  it('keeps an element that is alone in its row with the density', async () => {
    const { kept, mean } = places(await run(new Float32Array(rows).fill(1), [rows, 1], half), 1)
    assert.ok(Math.abs(kept[0]! - 0.5) < 0.01 && Math.abs(mean[0]! - 1) < 0.02)
  })

  it('compares over the tensor when asked, as the definition does', async () => {
    const random = createRandom('della')
    const x = Float32Array.from({ length: 1001 }, () => random.normal())
    const parameters = { ...half, over: 'tensor', seed: 5 }
    const out = await run(x, [77, 13], parameters)
    const order = [...x.keys()].sort((a, b) => Math.abs(x[b]!) - Math.abs(x[a]!) || a - b)
    order.forEach((i, rank) => {
      const probability = 0.5 + 0.2 * (2 * ((1000 - rank) / 1000) - 1)
      const word = philox([Math.floor(i / 4), 0, 0, 0], maskKey(5, name))[i % 4]!
      const isKept = word < Math.floor(probability * 2 ** 32)
      assert.equal(out[i], isKept ? Math.fround(x[i]! / probability) : 0)
    })
  })

  it('gives the tensor its own magnitude back in mode mergekit', async () => {
    const random = createRandom('della mergekit')
    const x = Float32Array.from({ length: 90_000 }, () => random.word() / 2 ** 32 - 0.5)
    const sum = (values: Float32Array): number =>
      values.reduce((total, value) => total + Math.abs(value), 0)
    for (const chunkBlocks of [1, 16]) {
      const out = await run(x, [100, 900], half, { mode: 'mergekit', chunkBlocks })
      assert.ok(Math.abs(sum(out) / sum(x) - 1) < 1e-6)
      const first = out.findIndex((value) => value !== 0)
      const factor = out[first]! / x[first]!
      assert.ok(out.every((value, i) => value === 0 || Math.abs(value / x[i]! / factor - 1) < 1e-6))
    }
  })

  it('sums magnitudes by blocks of whole rows, so that chunks of any size give one factor', () => {
    const kernels = openKernels()
    const [rows, width] = [9, 30_000]
    const spec = { name, dtype: 'F32', shape: [rows, width] } as const
    const random = createRandom('della rows')
    const [x, ...scratch] = [0, 1, 2, 3].map(() => kernels.allocate(4 * rows * width)) as [Region]
    for (let i = 0; i < rows * width; i++) x.f32[i] = 10 ** (6 * random.uniform() - 3)
    const parameters = { ...half, over: 'row', probability: 'rank', seed: 0 } as const
    const statistic = della.statistic!(parameters, 'mergekit')!
    const ratios = [2, 4, 6].map((rowsOfChunk) => {
      const init = { inputs: 1, elements: rows * width, tables: [] }
      const fold = statistic.start({ kernels, scratch, ...init })
      for (let row = 0; row < rows; row += rowsOfChunk) {
        const count = Math.min(rowsOfChunk, rows - row) * width
        fold.scan(0, spec, [sliceRegion(x, 4 * row * width, 4 * count)], row * width, count)
      }
      return fold.value()
    })
    assert.deepEqual(ratios, [ratios[0], ratios[0], ratios[0]])
  })

  it('gives zeros at density 0 and the input at 1, whatever epsilon says', async () => {
    const out = await run(row, [1, 4], { density: 0, epsilon: 0.5 })
    assert.deepEqual([...out], [0, 0, 0, 0])
    const all = await run(row, [1, 4], { density: 1, epsilon: 0.5 })
    assert.deepEqual([...all], row.map(Math.fround))
  })

  it('refuses probabilities outside (0, 1)', async () => {
    for (const [density, epsilon] of [
      [0.2, 0.2],
      [0.9, 0.15],
      [0.05, 0.1],
    ]) {
      await assert.rejects(run(row, [4], { density, epsilon }), { id: 'E_PARAMETER_RANGE' })
    }
  })
})
