import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { operator as dare } from '../../src/operators/dare.ts'
import { operator as drop } from '../../src/operators/drop.ts'
import { operator as trim } from '../../src/operators/trim.ts'
import { createRandom } from '../../src/random.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { isDrawn, seedThatDraws } from '../support/mask-of.ts'
import { bits, runOnTensor, runOperator } from '../support/run-operator.ts'

const name = 'model.layers.0.mlp.up_proj.weight'

function moments(values: Float32Array): { mean: number; variance: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  return { mean, variance: values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length }
}

describe('dare', () => {
  const ones = new Float32Array(1_000_000).fill(1)

  it('keeps a tenth at p = 0.9, every kept value exactly 10, and the mean', async () => {
    const out = await runOnTensor(dare, [ones], { name, parameters: { p: 0.9 } })
    const kept = out.filter((value) => value !== 0)
    assert.ok(Math.abs(kept.length / 1e6 - 0.1) < 0.001)
    assert.ok(kept.every((value) => value === 10)) // 9.999998 when computed in f32
    assert.ok(Math.abs(moments(out).mean - 1) < 0.01)
  })

  it('has the mean 1 and the variance (1 − k)²·p/(1 − p) of the factor', async () => {
    for (const k of [-1, 0.5]) {
      for (const p of [0.1, 0.9]) {
        const out = await runOnTensor(dare, [ones], { name, parameters: { p, k } })
        const { mean, variance } = moments(out)
        const expected = ((1 - k) ** 2 * p) / (1 - p)
        assert.ok(Math.abs(mean - 1) < 5 * Math.sqrt(expected / 1e6), `mean ${mean}`)
        assert.ok(Math.abs(variance / expected - 1) < 0.02, `variance ${variance} of ${expected}`)
      }
    }
  })

  it('gives the worked example of the paper at p = 0.5 for every k', async () => {
    const seed = seedThatDraws([true, false, true, false], name)
    const rows: [number, number[]][] = [
      [0, [0, -4, 0, -8]],
      [0.5, [0.5, -3, 1.5, -6]],
      [0.8, [0.8, -2.4, 2.4, -4.8]],
      [1, [1, -2, 3, -4]],
      [-1, [-1, -6, -3, -12]],
    ]
    for (const [k, expected] of rows) {
      const out = await runOnTensor(dare, [[1, -2, 3, -4]], {
        name,
        parameters: { p: 0.5, k, seed },
      })
      expected.forEach((value, i) => assert.ok(Math.abs(out[i]! - value) < 1e-6 * 12))
    }
  })

  it('agrees with the definition, element by element', async () => {
    const x = Float32Array.from({ length: 4099 }, (_, i) => Math.fround(Math.sin(i)))
    const [p, k, seed] = [0.3, -0.5, 7]
    const out = await runOnTensor(dare, [x], { name, parameters: { p, k, seed } })
    const kept = Math.fround((1 - k * p) / (1 - p))
    const expected = x.map((value, i) => value * (isDrawn(i, p, seed, name) ? k : kept))
    assert.deepEqual(bits(out), bits(expected))
  })

  it('changes nothing at k = 1, and drops as `drop` does at k = 0', async () => {
    const x = Float32Array.from({ length: 1001 }, (_, i) => (i - 500) / 7)
    for (const p of [0.1, 0.5, 0.9]) {
      const same = await runOnTensor(dare, [x], { name, parameters: { p, k: 1 } })
      assert.deepEqual(bits(same), bits(x))
      const rescaled = await runOnTensor(dare, [x], { name, parameters: { p, k: 0 } })
      const dropped = await runOnTensor(drop, [x], { name, parameters: { p } })
      const factor = Math.fround(1 / (1 - p))
      assert.deepEqual(
        rescaled,
        dropped.map((value) => value * factor),
      )
    }
  })

  it('is the identity at p = 0 and k · Δ at p = 1, without an infinity', async () => {
    const x = Float32Array.from([1, -2, 3, -0, 5e-40])
    assert.deepEqual(bits(await runOnTensor(dare, [x], { parameters: { p: 0, k: -1 } })), bits(x))
    const all = await runOnTensor(dare, [x], { parameters: { p: 1 } })
    assert.ok(all.every((value) => value === 0))
    const flipped = await runOnTensor(dare, [x], { parameters: { p: 1, k: -1 } })
    assert.deepEqual(
      flipped,
      x.map((value) => -value),
    )
  })

  it('gives the tensor its own magnitude back in mode mergekit', async () => {
    const x = Float32Array.from({ length: 70_003 }, (_, i) => Math.fround(Math.sin(i)) / 50)
    const parameters = { p: 0.7, seed: 3 }
    const out = await runOnTensor(dare, [x], { name, mode: 'mergekit', parameters })
    const masked = x.map((value, i) => (isDrawn(i, 0.7, 3, name) ? 0 : value))
    const factor = Math.fround(norm(x) / norm(masked))
    assert.deepEqual(
      out,
      masked.map((value) => value * factor),
    )
    const paper = await runOnTensor(dare, [x], { name, parameters })
    assert.notDeepEqual(out, paper)
    const one = await runOnTensor(dare, [[0.5]], { name, mode: 'mergekit', parameters })
    assert.ok(one[0] === 0 || one[0] === 0.5)
  })

  it('draws one mask for 1, 2 and 7 chunks, in every order of tensors, by seed and name', async () => {
    const ones = new Float32Array(7 * BLOCK_ELEMENTS).fill(1)
    const hashes = async (names: readonly string[], chunkBlocks: number, seed = 0) => {
      const deltas = [Object.fromEntries(names.map((tensor) => [tensor, ones]))]
      const out = await runOperator(dare, deltas, { chunkBlocks, parameters: { p: 0.5, seed } })
      return names.map((tensor) => createHash('sha256').update(out[tensor]!).digest('hex'))
    }
    const [a, b] = await hashes(['a', 'b'], 7)
    assert.notEqual(a, b)
    for (const blocks of [4, 1]) assert.deepEqual(await hashes(['b', 'a'], blocks), [b, a])
    assert.notEqual((await hashes(['a'], 7, 1))[0], a)
  })
})

describe('dare of selected elements', () => {
  const run = (values: readonly number[] | Float32Array, parameters: object, mask?: number[]) =>
    runOnTensor(dare, mask === undefined ? [values] : [values, mask], {
      name,
      parameters: { ...parameters },
      chunkBlocks: 1,
    })

  it('draws what a second input marks: the worked example of the paper for every k', async () => {
    const rows: [number, number[]][] = [
      [0, [0, -4, 0, -8]],
      [0.5, [0.5, -3, 1.5, -6]],
      [1, [1, -2, 3, -4]],
      [-1, [-1, -6, -3, -12]],
    ]
    for (const [k, expected] of rows) {
      const out = await run([1, -2, 3, -4], { k, select: 'mask' }, [5, 0, -1e-40, -0])
      assert.deepEqual([...out].map(positiveZero), expected)
    }
  })

  it('draws the negative elements, with the share that they really are', async () => {
    const out = await run([-1, -1, 1, 1], { k: 0.5, select: 'sign' })
    assert.deepEqual([...out], [-0.5, -0.5, 1.5, 1.5])
    const three = await run([-1, 0, 2, 4, -0], { k: 0, select: 'sign' })
    assert.deepEqual(
      [...three].map(positiveZero),
      [0, 0, 2, 4, 0].map((x) => Math.fround(x * 1.5)),
    )
  })

  it('counts no zeros, so that equal magnitudes keep their sum whatever is drawn', async () => {
    const x = [-1, 0, 0, 0, 1, 1]
    const sum = (out: Float32Array): number => out.reduce((all, value) => all + Math.abs(value), 0)
    const rows: [object, number[]?][] = [
      [{ select: 'sign' }],
      [{ select: 'magnitude', p: 0.7 }],
      [{ select: 'mask' }, [1, 1, 0, 1, 0, 0]],
    ]
    for (const [parameters, mask] of rows) {
      const out = await run(x, { ...parameters, k: 0.5 }, mask)
      assert.ok(Math.abs(sum(out) - 3) < 1e-6, `${[...out]}`)
      assert.ok(Math.min(...out.filter((v) => v !== 0).map(Math.abs)) === 0.5, `${[...out]}`)
    }
    // Three zeros of six are drawn first: nothing else is, and nothing grows.
    assert.deepEqual([...(await run(x, { select: 'magnitude', p: 0.5, k: 0.5 }))], x)
    const zeros = await run([0, -0, 0], { select: 'sign', k: 0.5 })
    assert.ok(zeros.every((value) => value === 0))
  })

  it('draws the smallest, so that k = 0 gives what trim keeps times n over the kept, without zeros', async () => {
    const random = createRandom('dare of the smallest')
    const x = Float32Array.from({ length: BLOCK_ELEMENTS + 77 }, () => random.below(99) - 49)
    const p = 0.3
    const drawn = Math.floor(p * x.length)
    const trimmed = await runOnTensor(trim, [x], {
      name,
      parameters: { density: (x.length - drawn + 0.5) / x.length },
    })
    const nonzero = x.filter((value) => value !== 0).length
    assert.ok(nonzero < x.length)
    const share = 1 - (x.length - drawn) / nonzero
    const factor = Math.fround(1 / (1 - share))
    assert.deepEqual(
      (await run(x, { p, select: 'magnitude' })).map(positiveZero),
      trimmed.map((value) => value * factor),
    )
    const halved = await run([3, -1, 1, -4, 0.5], { p: 0.4, k: 0.5, select: 'magnitude' })
    const r = Math.fround((1 - 0.5 * 0.4) / (1 - 0.4))
    assert.deepEqual(
      [...halved],
      [3, -1, 0.5 / r, -4, 0.25 / r].map((x) => Math.fround(x * r)),
    )
  })

  it('is k · Δ where everything is drawn, and the identity where nothing is', async () => {
    for (const k of [0, -1, 0.5]) {
      const all = await run([-1, -2, -3], { k, select: 'sign' })
      assert.deepEqual([...all].map(positiveZero), [-k, -2 * k, -3 * k].map(positiveZero))
      const none = await run([1, 0, 3], { k, select: 'sign' })
      assert.deepEqual([...none], [1, 0, 3])
      assert.deepEqual([...(await run([1, -2], { k, select: 'mask' }, [0, 0]))], [1, -2])
    }
  })

  it('keeps the mean of the factors', async () => {
    const random = createRandom('dare of selected')
    const x = Float32Array.from({ length: 10_001 }, () => random.normal())
    const mask = Array.from(x, () => Number(random.below(10) < 3))
    for (const select of ['sign', 'magnitude', 'mask']) {
      const parameters = { k: -0.5, select, ...(select === 'magnitude' ? { p: 0.4 } : {}) }
      const out = await run(x, parameters, select === 'mask' ? mask : undefined)
      const mean = out.reduce((sum, value, i) => sum + value / x[i]!, 0) / x.length
      assert.ok(Math.abs(mean - 1) < 1e-6, `${select}: ${mean}`)
    }
  })
})

function positiveZero(value: number): number {
  return value + 0
}

function norm(values: Float32Array): number {
  return values.reduce((sum, value) => sum + Math.abs(value), 0)
}
