import assert from 'node:assert/strict'
import { canonicalScope, modes, type Operator } from '../../src/operators/index.ts'
import { checkParameters } from '../../src/parameters.ts'
import { createRandom } from '../../src/random.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { elementsOf } from '../../src/tensors/tensor.ts'
import { runOnTensor } from '../support/run-operator.ts'

/** What every operator promises, whatever it computes. */
export function operatorContract(operator: Operator): void {
  const inputs = operator.kind === 'edit' ? 1 : 3
  // Five blocks and a rest that is no multiple of a vector, so that chunks of 1 and 3 blocks differ,
  // in rows that no block holds a whole number of.
  const shape = [321, 1021]
  const elements = elementsOf(shape)

  it('says what it is', () => {
    assert.match(operator.about, /^[a-z].{10,}[^.]$/)
    assert.match(operator.reference, /^https:\/\//)
    assert.equal(canonicalScope(operator.scope), operator.scope)
    for (const { about } of Object.values(operator.parameters)) assert.match(about, /\w/)
  })

  it('maps zero to zero', async () => {
    for (const mode of modes) {
      const zeros = Array.from({ length: inputs }, () => new Float32Array(1000))
      const out = await runOnTensor(operator, zeros, { mode })
      assert.ok(out.every((value) => value === 0))
    }
  })

  it('gives finite values for every element, down to one', async () => {
    for (const size of [1, 3, 1000]) {
      const out = await runOnTensor(operator, samples(inputs, size))
      assert.equal(out.length, size)
      assert.ok(out.every(Number.isFinite))
    }
  })

  it('takes tensors of every rank, with rows longer than a chunk and of one element', async () => {
    for (const shape of [[], [7], [1, 7], [7, 1], [2, 3, 2, 2], [2, BLOCK_ELEMENTS + 3]]) {
      const given = samples(inputs, elementsOf(shape))
      for (const mode of modes) {
        const out = await runOnTensor(operator, given, { mode, shape, chunkBlocks: 1 })
        assert.ok(out.every(Number.isFinite))
      }
    }
  })

  it('gives the same bytes again, for chunks of 1, 3 and 16 blocks, in every mode', async () => {
    const given = samples(inputs, elements)
    for (const mode of modes) {
      const [expected, ...others] = await Promise.all(
        [16, 1, 3].map((chunkBlocks) => runOnTensor(operator, given, { mode, shape, chunkBlocks })),
      )
      for (const out of others) assert.ok(bytesOf(out).equals(bytesOf(expected!)))
    }
  })

  const { identity, intensity } = operator
  if (intensity !== undefined) {
    it('changes a delta by as much as it says it will', async () => {
      const [x] = samples(1, 200_000)
      const { parameters } = operator
      for (const mode of modes) {
        const values = checkParameters(operator.id, parameters, operator.defaults?.[mode] ?? {})
        const expected = operator.intensity!(values, mode)
        if (expected === undefined) continue
        const out = await runOnTensor(operator, [x!], { mode })
        const change = sumSquares(out.map((value, i) => value - x![i]!)) / sumSquares(x!)
        assert.ok(Math.abs(change - expected) <= 0.03 * expected, `${change}, not ${expected}`)
      }
    })
  }

  if (identity !== undefined) {
    it(`changes nothing with ${JSON.stringify(identity)}`, async () => {
      const [input] = samples(1, 1000)
      input!.set([0, -0, 1e-45, -3e38])
      assert.deepEqual(
        [...(await runOnTensor(operator, [input!], { parameters: identity }))].map(positiveZero),
        [...input!].map(positiveZero),
      )
    })
  }
}

function samples(count: number, elements: number): Float32Array[] {
  return Array.from({ length: count }, (_, i) => {
    const random = createRandom('operator contract', i)
    // A few distinct magnitudes among them, so that ties and sums of zero occur.
    return Float32Array.from({ length: elements }, () => {
      const word = random.word()
      return word % 3 === 0 ? ((word % 8) - 4) / 1024 : (word / 2 ** 32 - 0.5) / 64
    })
  })
}

function bytesOf(values: Float32Array): Buffer {
  return Buffer.from(values.buffer)
}

function sumSquares(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value ** 2, 0)
}

function positiveZero(value: number): number {
  return value + 0
}
