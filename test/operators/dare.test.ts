import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { operator as dare } from '../../src/operators/dare.ts'
import { operator as drop } from '../../src/operators/drop.ts'
import { dropThreshold, maskKey, philox } from '../../src/random.ts'
import { bits, runOnTensor } from '../support/run-operator.ts'

const name = 'model.layers.0.mlp.up_proj.weight'

/** Element i is drawn when word i mod 4 of block ⌊i/4⌋ is below ⌊p · 2³²⌋. */
function isDrawn(i: number, p: number, seed: number): boolean {
  const block = philox([Math.floor(i / 4), 0, 0, 0], maskKey(seed, name))
  return block[i % 4]! < dropThreshold(p)
}

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
    const seed = seedThatDraws([true, false, true, false])
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
    const expected = x.map((value, i) => value * (isDrawn(i, p, seed) ? k : kept))
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
    const masked = x.map((value, i) => (isDrawn(i, 0.7, 3) ? 0 : value))
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

  it('draws the same mask again, and another one for another name or seed', async () => {
    const first = await hash('a', 0)
    assert.equal(await hash('a', 0), first)
    assert.notEqual(await hash('b', 0), first)
    assert.notEqual(await hash('a', 1), first)
  })
})

function seedThatDraws(mask: readonly boolean[]): number {
  for (let seed = 0; ; seed++) {
    if (mask.every((drawn, i) => isDrawn(i, 0.5, seed) === drawn)) return seed
  }
}

async function hash(tensor: string, seed: number): Promise<string> {
  const x = new Float32Array(100_000).fill(1)
  const out = await runOnTensor(drop, [x], { name: tensor, parameters: { p: 0.5, seed } })
  return createHash('sha256').update(out).digest('hex')
}

function norm(values: Float32Array): number {
  return values.reduce((sum, value) => sum + Math.abs(value), 0)
}
