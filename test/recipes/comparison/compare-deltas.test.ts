import assert from 'node:assert/strict'
import { compareDeltas } from '../../../src/recipes/comparison/compare-deltas.ts'
import { measureNorms } from '../../../src/recipes/comparison/delta-norms.ts'
import { BLOCK_ELEMENTS } from '../../../src/tensors/blocks.ts'
import { dot, leaves, minus, planFor, valuesOf } from '../small-model.ts'

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-12 * Math.abs(expected), `${actual}, not ${expected}`)
}

const trimmed = { operator: 'trim', parameters: { density: 0.25 }, inputs: [leaves.b] }

describe('compareDeltas', () => {
  it('gives sums, equal values and signs of every tensor that one of two changes', async () => {
    const [a, b] = [await planFor(leaves.a), await planFor(trimmed)]
    const comparisons = await compareDeltas(a, b)
    assert.deepEqual(
      comparisons.map(({ spec }) => spec.name),
      ['layers.0.weight', 'layers.1.weight', 'norm.weight'],
    )
    for (const comparison of comparisons) {
      const { name } = comparison.spec
      const [x, y] = [await valuesOf(a, name), await valuesOf(b, name)]
      const difference = minus(y, x)
      near(comparison.squaresA, dot(x, x))
      near(comparison.squaresB, dot(y, y))
      near(comparison.squaredDifference, dot(difference, difference))
      near(comparison.product, dot(x, y))
      const pairs = [...x].map((value, i) => [value, y[i]!] as const)
      const signed = pairs.filter(([p, q]) => p !== 0 && q !== 0)
      assert.equal(comparison.elements, x.length)
      assert.equal(comparison.equal, pairs.filter(([p, q]) => p === q).length)
      assert.equal(comparison.signed, signed.length)
      assert.equal(comparison.sameSign, signed.filter(([p, q]) => p > 0 === q > 0).length)
      assert.ok(comparison.equal > 0 && comparison.sameSign < comparison.signed)
    }
    assert.deepEqual(
      [a, b].map(({ context }) => context.kernels.allocated),
      [0, 0],
    )
  })

  it('takes a tensor that one of them leaves alone as zero', async () => {
    const comparisons = await compareDeltas(await planFor(leaves.base), await planFor(leaves.a))
    assert.equal(comparisons.length, 3)
    for (const { squaresA, squaresB, squaredDifference } of comparisons) {
      assert.equal(squaresA, 0)
      assert.equal(squaresB, squaredDifference)
      assert.ok(squaresB > 0)
    }
  })

  it('gives the same sums for every chunk size', async () => {
    const compare = async (chunk: number) =>
      compareDeltas(await planFor(leaves.a, chunk), await planFor(trimmed, chunk))
    assert.deepEqual(await compare(BLOCK_ELEMENTS), await compare(4 * BLOCK_ELEMENTS))
  })
})

describe('measureNorms', () => {
  it('sums the squares of a delta and of its base, and counts zeros', async () => {
    const plan = await planFor(trimmed)
    const norms = await measureNorms(plan)
    for (const { spec, squares, zeros, elements, baseSquares } of norms) {
      const values = await valuesOf(plan, spec.name)
      near(squares, dot(values, values))
      assert.equal(zeros, values.filter((value) => value === 0).length)
      const bytes = new Uint8Array(4 * elements)
      await plan.base.read(spec.name, 0, bytes)
      const base = new Float32Array(bytes.buffer)
      near(baseSquares, dot(base, base))
    }
    assert.equal(norms[0]!.zeros, norms[0]!.elements - Math.floor(norms[0]!.elements / 4))
    assert.equal(plan.context.kernels.allocated, 0)
  })
})
