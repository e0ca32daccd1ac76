import assert from 'node:assert/strict'
import { operator as dare } from '../../src/operators/dare.ts'
import { operator as flip } from '../../src/operators/flip.ts'
import { operator as randomiseSigns } from '../../src/operators/randomise-signs.ts'
import { createRandom } from '../../src/random.ts'
import { isDrawn } from '../support/mask-of.ts'
import { bits, runOnTensor } from '../support/run-operator.ts'

const name = 'model.layers.0.mlp.up_proj.weight'
const random = createRandom('signs')
const x = Float32Array.from({ length: 10_003 }, () => random.normal())

describe('flip', () => {
  it('flips what the mask draws and nothing else', async () => {
    const out = await runOnTensor(flip, [x], { name, parameters: { p: 0.2, seed: 4 } })
    assert.deepEqual(
      bits(out),
      bits(x.map((value, i) => (isDrawn(i, 0.2, 4, name) ? -value : value))),
    )
  })

  it('is dare with k = −1, bit for bit, when the others make up for it', async () => {
    for (const p of [0.1, 0.5, 0.9, 1]) {
      const parameters = { p, seed: 4 }
      const given = { ...parameters, compensate: 'yes' }
      const flipped = await runOnTensor(flip, [x], { name, parameters: given })
      const expected = await runOnTensor(dare, [x], { name, parameters: { ...parameters, k: -1 } })
      assert.deepEqual(bits(flipped), bits(expected))
    }
  })
})

describe('randomise-signs', () => {
  const run = (values: Float32Array | readonly number[], seed = 0) =>
    runOnTensor(randomiseSigns, [values], { name, parameters: { seed } })

  it('keeps every magnitude and no sign', async () => {
    const out = await run(x)
    assert.deepEqual(out.map(Math.abs), x.map(Math.abs))
    assert.deepEqual(await run(x.map((value) => -value)), out)
    assert.notDeepEqual(await run(x, 1), out)
  })

  it('makes half of them negative', async () => {
    const negative = (await run(x)).filter((value) => value < 0).length
    assert.ok(Math.abs(negative / x.length - 0.5) < 0.02)
  })

  it('leaves zeros zero', async () => {
    for (const value of await run([0, -0, 0, -0])) assert.equal(value + 0, 0)
  })
})
