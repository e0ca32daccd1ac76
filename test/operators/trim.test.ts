import assert from 'node:assert/strict'
import { operator as trim } from '../../src/operators/trim.ts'
import { createRandom } from '../../src/random.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { bits, runOnTensor, runOperator } from '../support/run-operator.ts'

/** Sorts by magnitude, then by index, and keeps the first ⌊density · n⌋. */
function oracle(x: Float32Array, density: number): Float32Array {
  const order = [...x.keys()].sort((a, b) => Math.abs(x[b]!) - Math.abs(x[a]!) || a - b)
  const out = new Float32Array(x.length)
  for (const i of order.slice(0, Math.floor(density * x.length))) out[i] = x[i]!
  return out
}

function sample(elements: number, values: number): Float32Array {
  const random = createRandom('trim', elements, values)
  return Float32Array.from({ length: elements }, () => (random.below(values) - values / 2) / 1000)
}

describe('trim', () => {
  it('keeps the lowest index of equals', async () => {
    const out = await runOnTensor(trim, [[1, 1, 1, 1]], { parameters: { density: 0.5 } })
    assert.deepEqual([...out], [1, 1, 0, 0])
  })

  it('keeps ⌊density · n⌋ elements', async () => {
    const out = await runOnTensor(trim, [[5, 4, 3, 2, 1]], { parameters: { density: 0.5 } })
    assert.deepEqual([...out], [5, 4, 0, 0, 0])
    const none = await runOnTensor(trim, [[1, 2, 3]], { parameters: { density: 0 } })
    assert.deepEqual([...none], [0, 0, 0])
  })

  it('keeps one more in mode official, and all that equal it, as its authors compare', async () => {
    const x = [5, 4, -4, 4, 1, 0]
    const kept = async (density: number, options: object = {}) => {
      const out = await runOnTensor(trim, [x], {
        mode: 'official',
        parameters: { density, ...options },
      })
      return [...out].filter((value) => value !== 0).length
    }
    assert.equal(await kept(1 / 6), 4)
    assert.equal(await kept(4 / 6), 5)
    assert.equal(await kept(0), 1)
    assert.equal(await kept(1), 5)
    assert.equal(await kept(1 / 6, { over: 'all' }), 4)
    assert.equal(await kept(1 / 6, { over: 'row' }), 1)
    for (const mode of ['paper', 'mergekit'] as const) {
      const out = await runOnTensor(trim, [x], { mode, parameters: { density: 2 / 6 } })
      assert.deepEqual([...out], [5, 4, 0, 0, 0, 0])
    }
  })

  it('ranks within a tensor, or over all of them', async () => {
    const deltas = [{ a: Float32Array.of(10, 9, 8, 7), b: Float32Array.of(1, 2, 3, 4) }]
    const each = await runOperator(trim, deltas, { parameters: { density: 0.5 } })
    assert.deepEqual([...each.a!, ...each.b!], [10, 9, 0, 0, 0, 0, 3, 4])
    const parameters = { density: 0.5, over: 'all' }
    const all = await runOperator(trim, deltas, { parameters })
    assert.deepEqual([...all.a!, ...all.b!], [10, 9, 8, 7, 0, 0, 0, 0])
  })

  it('hands out ties over all tensors in the order of names and indexes', async () => {
    const deltas = [{ a: Float32Array.of(1, 2, 1), b: Float32Array.of(-1, 1, 3, 1) }]
    const parameters = { density: 5 / 7 + 1e-9, over: 'all' }
    const { a, b } = await runOperator(trim, deltas, { parameters })
    assert.deepEqual([...a!, ...b!], [1, 2, 1, -1, 0, 3, 0])
  })

  it('agrees with a sort, with many equals and with none', async () => {
    for (const values of [7, 2 ** 31]) {
      const x = sample(2 * BLOCK_ELEMENTS + 5, values)
      for (const density of [0.001, 0.2, 0.77]) {
        const out = await runOnTensor(trim, [x], { parameters: { density }, chunkBlocks: 1 })
        assert.deepEqual(bits(out), bits(oracle(x, density)))
      }
    }
  })

  it('ranks within rows, and takes the first dimension of four for rows', async () => {
    const parameters = { density: 0.5, over: 'row' }
    const x = Float32Array.of(1, -1, 1, 5, 2, 3, 3, -3, 0, 9, 9, 9)
    for (const shape of [
      [3, 4],
      [3, 2, 1, 2],
    ]) {
      const out = await runOnTensor(trim, [x], { shape, parameters })
      assert.deepEqual([...out], [1, 0, 0, 5, 0, 3, 3, 0, 0, 9, 9, 0])
    }
    const row = await runOnTensor(trim, [x], { parameters })
    assert.deepEqual(bits(row), bits(oracle(x, 0.5)))
  })

  it('agrees with a sort in rows that are longer than a chunk', async () => {
    const shape = [3, BLOCK_ELEMENTS + 111]
    const x = sample(shape[0]! * shape[1]!, 50_000)
    const parameters = { density: 0.3, over: 'row' }
    const out = await runOnTensor(trim, [x], { shape, parameters, chunkBlocks: 1 })
    for (let from = 0; from < x.length; from += shape[1]!) {
      const part = (values: Float32Array) => values.subarray(from, from + shape[1]!)
      assert.deepEqual(bits(part(out)), bits(oracle(part(x), 0.3)))
    }
  })

  it('drops the largest instead, and keeps as many of the others', async () => {
    const x = [5, 4, 3, 2, 1, -9]
    for (const [over, expected] of [
      ['tensor', [0, 0, 3, 2, 1, 0]],
      ['all', [0, 0, 3, 2, 1, 0]],
      ['row', [0, 4, 0, 2, 1, 0]],
    ] as const) {
      const parameters = { density: 0.5, over, drop: 'largest' }
      const out = await runOnTensor(trim, [x], { shape: [3, 2], parameters })
      assert.deepEqual([...out], expected)
    }
  })

  it('keeps subnormal differences apart', async () => {
    const x = Float32Array.of(1e-45, -3e-45, 2e-45, 1e-38)
    const out = await runOnTensor(trim, [x], { parameters: { density: 0.5 } })
    assert.deepEqual(bits(out), bits(oracle(x, 0.5)))
  })
})
