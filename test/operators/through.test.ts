import assert from 'node:assert/strict'
import { loadCodecs } from '../../src/codecs/index.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { operator as through } from '../../src/operators/through.ts'
import { bits, runOnTensor } from '../support/run-operator.ts'

describe('through', () => {
  it('gives what bitdelta decodes to', async () => {
    const out = await runOnTensor(through, [[0.1, -0.2, 0.3, -0.4]])
    const alpha = Math.fround(0.25)
    assert.deepEqual([...out], [alpha, -alpha, alpha, -alpha])
  })

  it('passes the parameters on to the codec', async () => {
    const parameters = { codec: 'bitdelta', factor: 2 }
    const out = await runOnTensor(through, [[1, -1]], { parameters })
    assert.deepEqual([...out], [2, -2])
  })

  it('loses nothing in a sparse codec of f32 values', async () => {
    const x = Float32Array.from({ length: 70_001 }, (_, i) => (i % 3 === 0 ? i / 7 : 0))
    const out = await runOnTensor(through, [x], { parameters: { codec: 'sparse' } })
    assert.deepEqual(bits(out), bits(x))
  })

  it('refuses an exact codec and an unknown one', async () => {
    const codecs = await loadCodecs()
    for (const [codec, id] of [
      ['raw', 'E_EXACT_CODEC'],
      ['rar', 'E_UNKNOWN_CODEC'],
    ] as const) {
      assert.throws(
        () => through.parametersFor!({ codec }, codecs),
        (error) => error instanceof InvalidInputError && error.id === id,
      )
    }
  })
})
