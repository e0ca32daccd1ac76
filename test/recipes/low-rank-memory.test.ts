import assert from 'node:assert/strict'
import { type CID, cidOfValue } from '../../src/canonical.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { loadOperators } from '../../src/operators/index.ts'
import { createRandom } from '../../src/random.ts'
import { type DraftNode, recipeOf } from '../../src/recipes/canonical-recipe.ts'
import { openVariant } from '../../src/recipes/materialise.ts'
import { planRecipe } from '../../src/recipes/plan/plan.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import { memoryCheckpoint } from '../checkpoints/memory.ts'
import { memoryDelta } from './memory-delta.ts'

const entries = { operators: await loadOperators(), codecs: await loadCodecs() }
const [rows, columns] = [400, 700]
const matrixBytes = rows * columns * 4

function model(name: string): Checkpoint {
  const random = createRandom('low-rank memory', name)
  const values = Float32Array.from({ length: rows * columns }, () => random.uniform() - 0.5)
  return memoryCheckpoint({ 'layers.0.weight': ['F32', [rows, columns], values] })
}

describe('the memory that a plan states', () => {
  const [base, post] = [model('base'), model('post')]
  const [baseId, postId] = ['base', 'post'].map((name) => cidOfValue({ test: name })) as [CID, CID]
  const edits: Readonly<Record<string, DraftNode>> = {
    'a low rank': edit('low-rank', { rank: 8 }),
    'a high rank': edit('low-rank', { rank: 399 }),
    'an energy that a space holds': edit('low-rank', { energy: 0.2 }),
    'an energy that needs the whole matrix': edit('low-rank', { energy: 0.97 }),
    'the codec': edit('through', { codec: 'low-rank', rank: 30 }),
  }

  function edit(operator: string, parameters: Readonly<Record<string, unknown>>): DraftNode {
    return { operator, parameters, inputs: [{ weights: postId }] }
  }

  async function run(root: DraftNode): Promise<void> {
    const kernels = openKernels()
    const { id, source } = await memoryDelta(
      base,
      post,
      { base: baseId, codec: 'low-rank' },
      { ...entries, kernels: openKernels() },
    )
    const sources = {
      weights: async (id: CID) => (id.equals(baseId) ? base : post),
      delta: async () => source,
    }
    const recipe = recipeOf(
      { base: baseId, root: 'inputs' in root ? root : { delta: id } },
      entries,
    )
    const plan = await planRecipe(recipe, sources, { ...entries, kernels })
    for await (const _ of (await openVariant(plan)).chunks('layers.0.weight'));
    assert.equal(kernels.allocated, 0)
    assert.ok(kernels.peak <= plan.memory, `${kernels.peak} of ${plan.memory}`)
    // Beside it stand the blocks of a stream, which are small where matrices are large.
    assert.ok(plan.memory - STREAM_BYTES <= 6 * matrixBytes, `${plan.memory / matrixBytes}`)
  }

  for (const [name, root] of Object.entries(edits)) {
    it(`holds, and is at most six matrices, for ${name}`, () => run(root))
  }

  it('holds for a delta that is stored as factors', () => run({ weights: postId }))
})

/** Two buffers each for base and post, the delta and the result, a codec's blocks, packed factors. */
const STREAM_BYTES = 16 * 1024 * 1024
