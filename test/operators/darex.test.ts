import assert from 'node:assert/strict'
import { operator as dare } from '../../src/operators/dare.ts'
import { operator as darex } from '../../src/operators/darex.ts'
import { seedThatDraws } from '../support/mask-of.ts'
import { bits, runOnTensor } from '../support/run-operator.ts'

const name = 'model.layers.0.mlp.up_proj.weight'
const run = (values: readonly number[] | Float32Array, parameters: object) =>
  runOnTensor(darex, [values], { name, parameters: { ...parameters } })

describe('darex', () => {
  it('divides what is kept by q', async () => {
    const seed = seedThatDraws([true, false, true, false], name)
    const out = await run([1, -2, 3, -4], { p: 0.5, q: 0.8, seed })
    assert.deepEqual([...out], [0, -2.5, 0, -5])
  })

  it('is DARE at q = 1 − p', async () => {
    const x = Float32Array.from({ length: 1001 }, (_, i) => (i - 500) / 7)
    const plain = await runOnTensor(dare, [x], { name, parameters: { p: 0.75 } })
    assert.deepEqual(bits(await run(x, { p: 0.75, q: 0.25 })), bits(plain))
  })

  it('takes q from 1 − p to 1, and says so', async () => {
    await run([1], { p: 0.7, q: 0.3 }) // 1 − 0.7 is a little more than 0.3
    await assert.rejects(run([1], { p: 0.7, q: 0.29 }), {
      id: 'E_PARAMETER_RANGE',
      message: 'expected `darex.q` at least 1 - p = 0.3, got 0.29',
    })
    await assert.rejects(run([1], { p: 0.7, q: 1.01 }), { id: 'E_PARAMETER_RANGE' })
  })
})
