import assert from 'node:assert/strict'
import { cidOfValue } from '../../src/canonical.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { canonicalScope, loadOperators, modes, type Operator } from '../../src/operators/index.ts'
import { checkParameters } from '../../src/parameters.ts'
import { createRandom } from '../../src/random.ts'
import { recipeOf } from '../../src/recipes/canonical-recipe.ts'
import { openVariant } from '../../src/recipes/materialise.ts'
import { planRecipe, type Sources } from '../../src/recipes/plan.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { elementsOf } from '../../src/tensors/tensor.ts'
import { memoryCheckpoint } from '../checkpoints/memory.ts'
import { runOutOfMemory } from '../support/failing-kernels.ts'
import { runOnTensor } from '../support/run-operator.ts'

const entries = { operators: await loadOperators(), codecs: await loadCodecs() }

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

  it('gives the same bytes for chunks of 1, 3 and 16 blocks and two threads, in every mode', async () => {
    await using kernels = openKernels({ threads: 2 })
    const given = samples(inputs, elements)
    for (const mode of modes) {
      const expected = bytesOf(await runOnTensor(operator, given, { mode, shape }))
      for (const chunkBlocks of [1, 3, 16]) {
        const out = await runOnTensor(operator, given, { mode, shape, chunkBlocks, kernels })
        assert.ok(bytesOf(out).equals(expected))
      }
    }
  })

  it('gives memory back wherever it runs out', async () => {
    const [base, ...posts] = samples(inputs + 1, 3000).map((values) =>
      memoryCheckpoint({ 'layers.0.weight': ['F32', [60, 50], values] }),
    )
    const ids = ['base', ...posts.keys()].map((name) => cidOfValue({ test: name }))
    const checkpoints = new Map(ids.map((id, i) => [id.toString(), [base!, ...posts][i]!]))
    const sources: Sources = {
      weights: async (id) => checkpoints.get(id.toString())!,
      delta: () => assert.fail('no delta is used'),
    }
    const root = { operator: operator.id, inputs: ids.slice(1).map((weights) => ({ weights })) }
    await using kernels = openKernels()
    for (const mode of modes) {
      const recipe = recipeOf({ base: ids[0]!, root, mode }, entries)
      await runOutOfMemory(kernels, async (full) => {
        const variant = await openVariant(
          await planRecipe(recipe, sources, { ...entries, kernels: full }),
        )
        for await (const _ of variant.chunks('layers.0.weight'));
      })
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

const sampled: Float32Array[] = []

/** The first elements of a few inputs, which are made once: the largest take a while. */
function samples(count: number, elements: number): Float32Array[] {
  return Array.from({ length: count }, (_, i) => {
    if (sampled[i] === undefined || sampled[i].length < elements) sampled[i] = sample(i, elements)
    return sampled[i].slice(0, elements)
  })
}

/** A few distinct magnitudes among others, so that ties and sums of zero occur. */
function sample(input: number, elements: number): Float32Array {
  const random = createRandom('operator contract', input)
  return Float32Array.from({ length: elements }, () => {
    const word = random.word()
    return word % 3 === 0 ? ((word % 8) - 4) / 1024 : (word / 2 ** 32 - 0.5) / 64
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
