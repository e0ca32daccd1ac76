import assert from 'node:assert/strict'
import { cidOfValue } from '../../src/canonical.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { DeltaswarmError } from '../../src/errors.ts'
import { type DraftNode, type RecipeDraft, recipeOf } from '../../src/recipes/canonical-recipe.ts'
import { openVariant } from '../../src/recipes/materialise.ts'
import { openDeltas } from '../../src/recipes/open-deltas.ts'
import { type Plan, planRecipe } from '../../src/recipes/plan/plan.ts'
import type { WeightDType } from '../../src/tensors/dtype.ts'
import { memoryCheckpoint } from '../checkpoints/memory.ts'
import { entries } from './small-model.ts'

const name = 'layers.0.weight'
const kernels = openKernels()
const ids = { base: cidOfValue({ finite: 'base' }), post: cidOfValue({ finite: 'post' }) }
const grow = (input: DraftNode): DraftNode => ({
  operator: 'scale',
  parameters: { alpha: 4 },
  inputs: [input],
})

/** Element 2 becomes five times the largest power of two that the dtype holds. */
const codes = {
  F32: Uint32Array.of(0, 0x3f800000, 0x7f000000, 0x7f000000),
  BF16: Uint16Array.of(0, 0x3f80, 0x7f00, 0x7f00),
  F16: Uint16Array.of(0, 0x3c00, 0x7800, 0x7800),
} as const

function planOf(
  dtype: WeightDType,
  root: DraftNode,
  rest: Partial<RecipeDraft> = {},
): Promise<Plan> {
  const shape = [2, 2]
  const models = {
    [ids.base.toString()]: memoryCheckpoint({ [name]: [dtype, shape, codes[dtype].map(() => 0)] }),
    [ids.post.toString()]: memoryCheckpoint({ [name]: [dtype, shape, codes[dtype]] }),
  }
  const sources = {
    weights: async (id: { toString(): string }) => models[id.toString()]!,
    delta: () => Promise.reject(new Error('there is none')),
  }
  const recipe = recipeOf({ base: ids.base, root, ...rest }, entries)
  return planRecipe(recipe, sources, { ...entries, kernels })
}

async function drain(chunks: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of chunks) continue
}

function namesElement2(steps: readonly string[]) {
  return (error: DeltaswarmError): boolean => {
    assert.deepEqual(
      [error.id, error.details],
      ['E_NOT_FINITE', { tensor: name, element: 2, steps }],
    )
    return true
  }
}

describe('weights that a dtype cannot hold', () => {
  const leaf = { weights: ids.post }

  for (const dtype of ['F32', 'BF16', 'F16'] as const) {
    it(`are neither written nor encoded in ${dtype}`, async () => {
      const plan = await planOf(dtype, grow(grow(leaf)))
      const refused = namesElement2(['scale', 'scale'])
      const variant = await openVariant(plan)
      await assert.rejects(drain(variant.chunks(name)), refused)
      await assert.rejects(drain((await openDeltas(plan)).tensor(name).chunks()), refused)
      assert.equal(kernels.allocated, 0)
    })
  }

  it('are not written in a narrower dtype either', async () => {
    const plan = await planOf('BF16', leaf, { dtype: 'F16' })
    await assert.rejects(drain((await openVariant(plan)).chunks(name)), namesElement2([]))
  })

  it('are measured as they are: a broken variant has a score', async () => {
    const variant = await openVariant(await planOf('F32', grow(leaf)))
    const out = kernels.allocate(16)
    await variant.load(name, out)
    assert.deepEqual([...out.f32.subarray(0, 4)], [0, 5, Infinity, Infinity])
    kernels.release(out)
  })
})
