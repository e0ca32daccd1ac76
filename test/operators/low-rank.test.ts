import assert from 'node:assert/strict'
import { loadCodecs } from '../../src/codecs/index.ts'
import { operator as lowRank } from '../../src/operators/low-rank.ts'
import { operator as through } from '../../src/operators/through.ts'
import { checkParameters } from '../../src/parameters.ts'
import { createRandom } from '../../src/random.ts'
import { naiveSvd } from '../compute/matrix/svd.ts'
import { sha256Hex } from '../codecs/memory-tensor.ts'
import { bits, runOnTensor } from '../support/run-operator.ts'

const [rows, columns] = [40, 56]
const random = createRandom('low-rank')
const delta = Float32Array.from({ length: rows * columns }, () => random.normal() / 100)
const naive = naiveSvd(delta, rows, columns)

function edit(
  parameters: Readonly<Record<string, number>>,
  shape: readonly number[] = [rows, columns],
) {
  return runOnTensor(
    lowRank,
    [
      delta.slice(
        0,
        shape.reduce((n, d) => n * d, 1),
      ),
    ],
    { parameters, shape },
  )
}

function assertRank(actual: Float32Array, rank: number): void {
  const expected = naive.truncated(rank)
  for (const [i, value] of actual.entries()) assert.ok(Math.abs(value - expected[i]!) < 1e-7)
}

describe('low-rank', () => {
  it('has the values of hand-computed examples', async () => {
    const parameters = { rank: 1 }
    const shape = [2, 2]
    const diagonal = await runOnTensor(lowRank, [[3, 0, 0, 1]], { parameters, shape })
    const other = await runOnTensor(lowRank, [[2, 1, 0, 1]], { parameters, shape })
    const expected = [3, 0, 0, 0, 1.89442719, 1.17082039, 0.4472136, 0.2763932]
    for (const [i, value] of [...diagonal, ...other].entries()) {
      assert.ok(Math.abs(value - expected[i]!) < 1e-6)
    }
  })

  it('keeps so many singular values, 16 unless told otherwise', async () => {
    assertRank(await edit({ rank: 5 }), 5)
    assertRank(await edit({}), 16)
  })

  it('keeps a share of them, rounded down, in the form of Twin-Merging', async () => {
    assertRank(await edit({ fraction: 0.249 }), 9)
    assert.ok((await edit({ fraction: 0.02 })).every((value) => value === 0))
    assert.ok((await edit({ fraction: 0 })).every((value) => value === 0))
  })

  it('keeps as few as hold a share of the squared norm', async () => {
    const total = naive.values.reduce((sum, value) => sum + value ** 2, 0)
    let rank = 0
    for (let held = 0; held < 0.7 * total; rank++) held += naive.values[rank]! ** 2
    assertRank(await edit({ energy: 0.7 }), rank)
    assert.ok((await edit({ energy: 0 })).every((value) => value === 0))
  })

  it('leaves a matrix of which all is kept, and what is no matrix, bit for bit as it is', async () => {
    for (const parameters of [{ rank: 40 }, { rank: 65_536 }, { fraction: 1 }, { energy: 1 }]) {
      assert.deepEqual(bits(await edit(parameters)), bits(delta))
    }
    for (const shape of [[2240], [10, 4, 56], [4, 10, 7, 8], []]) {
      const given = delta.slice(
        0,
        shape.reduce((n, d) => n * d, 1),
      )
      assert.deepEqual(bits(await edit({ rank: 1 }, shape)), bits(given))
    }
  })

  it('takes one amount alone, so that a variant has one spelling', async () => {
    const codecs = await loadCodecs()
    assert.throws(() => lowRank.parametersFor!({ rank: 5, energy: 0.5 }, codecs), {
      id: 'E_PARAMETERS_EXCLUSIVE',
      actual: 'rank and energy',
    })
    const table = lowRank.parametersFor!({ energy: 0.5 }, codecs)
    assert.deepEqual(checkParameters('low-rank', table, { energy: 0.5 }), { energy: 0.5 })
  })

  it('gives the bytes that the codec of f32 factors decodes to', async () => {
    const parameters = { codec: 'low-rank', rank: 7, values: 'F32' }
    const stored = await runOnTensor(through, [delta], { parameters, shape: [rows, columns] })
    assert.deepEqual(bits(await edit({ rank: 7 })), bits(stored))
  })

  it('gives these bytes on every machine, for a small matrix and for one with a Krylov space', async () => {
    const large = Float32Array.from({ length: 170 * 180 }, () => random.normal())
    const parameters = { rank: 4 }
    const out = [
      await edit(parameters),
      await runOnTensor(lowRank, [large], { parameters, shape: [170, 180] }),
    ]
    assert.deepEqual(
      out.map((values) => sha256Hex(new Uint8Array(values.buffer)).slice(0, 16)),
      ['d07cd833ef0fcd99', 'b7f74f946ae1f750'],
    )
  })
})
