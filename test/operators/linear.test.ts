import assert from 'node:assert/strict'
import { operator as dare } from '../../src/operators/dare.ts'
import { operator as scale } from '../../src/operators/scale.ts'
import { operator as taskArithmetic } from '../../src/operators/task-arithmetic.ts'
import { createRandom } from '../../src/random.ts'
import { bits, runOnTensor } from '../support/run-operator.ts'

const random = createRandom('linear')
const x = Float32Array.from({ length: 1001 }, () => random.normal() / 100)

describe('scale', () => {
  it('multiplies by 1 + alpha', async () => {
    const run = (alpha: number): Promise<Float32Array> =>
      runOnTensor(scale, [x], { parameters: { alpha } })
    assert.deepEqual(bits(await run(0)), bits(x))
    assert.deepEqual(bits(await run(0.5)), bits(x.map((value) => value * 1.5)))
    assert.ok((await run(-1)).every((value) => value === 0))
  })

  it('composes to (1 + a)·(1 + b) within one unit in the last place', async () => {
    for (const [a, b] of [
      [0.5, 0.5],
      [0.5, -0.25],
      [-0.75, 2],
      [-1, 3],
    ] as const) {
      const first = await runOnTensor(scale, [x], { parameters: { alpha: a } })
      const both = bits(await runOnTensor(scale, [first], { parameters: { alpha: b } }))
      const alpha = (1 + a) * (1 + b) - 1
      const once = bits(await runOnTensor(scale, [x], { parameters: { alpha } }))
      both.forEach((value, i) => assert.ok(Math.abs(value - once[i]!) <= 1))
    }
  })

  it('composes within two units where the factors are rounded, too', async () => {
    const first = await runOnTensor(scale, [x], { parameters: { alpha: 0.3 } })
    const both = bits(await runOnTensor(scale, [first], { parameters: { alpha: -0.4 } }))
    const once = bits(await runOnTensor(scale, [x], { parameters: { alpha: 1.3 * 0.6 - 1 } }))
    both.forEach((value, i) => assert.ok(Math.abs(value - once[i]!) <= 2))
  })

  it('goes further or less far in attention and MLP blocks', async () => {
    const parameters = { alpha: 0.5, attention: 0, mlp: 2 }
    for (const [name, factor] of [
      ['model.layers.0.self_attn.q_proj.weight', 1],
      ['vit.encoder.layer.3.attention.output.dense.weight', 1],
      ['model.layers.0.mlp.up_proj.weight', 2],
      ['vit.encoder.layer.3.output.dense.weight', 2],
      ['model.layers.0.input_layernorm.weight', 1.5],
      ['lm_head.weight', 1.5],
    ] as const) {
      const out = await runOnTensor(scale, [x], { name, parameters })
      assert.deepEqual(bits(out), bits(x.map((value) => value * factor)))
    }
  })

  it('scales the kept factor of a DARE before it', async () => {
    const dropped = await runOnTensor(dare, [x], { parameters: { p: 0.5 } })
    const both = await runOnTensor(scale, [dropped], { parameters: { alpha: 0.5 } })
    const kept = both.filter((value) => value !== 0).length
    assert.ok(kept > 400 && kept < 600)
    both.forEach((value, i) => assert.ok(value === 0 || value === Math.fround(3 * x[i]!)))
  })
})

describe('task-arithmetic', () => {
  it('gives the weighted average for weights that sum to 1', async () => {
    const parameters = { weights: [0.3 / 0.9, 0.6 / 0.9] }
    const out = await runOnTensor(
      taskArithmetic,
      [
        [1, 2],
        [3, 4],
      ],
      { parameters },
    )
    assert.ok(Math.abs(out[0]! - 2.33333333) < 1e-6)
    assert.ok(Math.abs(out[1]! - 3.33333333) < 1e-6)
  })

  it('adds the inputs times lambda when there are no weights', async () => {
    const y = x.map((value) => value * value)
    const out = await runOnTensor(taskArithmetic, [x, y], { parameters: { lambda: 0.3 } })
    out.forEach((value, i) => {
      const exact = 0.3 * (x[i]! + y[i]!)
      assert.ok(Math.abs(value - exact) <= 2 ** -23 * (Math.abs(x[i]!) + y[i]!))
    })
  })
})
