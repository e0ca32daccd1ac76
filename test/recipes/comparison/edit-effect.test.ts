import assert from 'node:assert/strict'
import type { DraftNode } from '../../../src/recipes/canonical-recipe.ts'
import { type EditEffect, measureEdits } from '../../../src/recipes/comparison/edit-effect.ts'
import { cosine, relativeChange } from '../../../src/recipes/comparison/relation.ts'
import { BLOCK_ELEMENTS } from '../../../src/tensors/blocks.ts'
import { dot, leaves, minus, planFor, valuesOf } from '../small-model.ts'

const edit = (operator: string, parameters: object, input: DraftNode): DraftNode => ({
  operator,
  parameters: { ...parameters },
  inputs: [input],
})
const dare = edit('dare', { p: 0.9, seed: 7 }, leaves.a)
const chain = edit('trim', { density: 0.5 }, edit('scale', { alpha: 0.5 }, dare))
const names = ['layers.0.weight', 'layers.1.weight', 'norm.weight']

async function effectOf(root: DraftNode, count: number, options = {}): Promise<EditEffect> {
  const plan = await planFor(root)
  const effect = await measureEdits(plan, count, options)
  assert.equal(plan.context.kernels.allocated, 0)
  return effect
}

function near(actual: number | null, expected: number, tolerance = 1e-12): void {
  assert.ok(actual !== null && Math.abs(actual - expected) <= tolerance * expected, `${actual}`)
}

describe('measureEdits', () => {
  it('sums what a step changes, in the scope and over all', async () => {
    const effect = await effectOf(dare, 1)
    const [step] = effect.steps
    let [inside, squares, difference, product] = [0, 0, 0, 0]
    for (const name of names) {
      const before = await valuesOf(await planFor(leaves.a), name)
      const after = await valuesOf(await planFor(dare), name)
      const change = minus(after, before)
      squares += dot(before, before)
      if (name.startsWith('layers')) inside += dot(before, before)
      difference += dot(change, change)
      product += dot(before, after)
    }
    near(step!.overall.squaresA, squares)
    near(step!.overall.squaredDifference, difference)
    near(step!.overall.product, product)
    near(step!.inScope.squaresA, inside)
    near(step!.inScope.squaredDifference, difference)
    assert.deepEqual(effect.whole.overall, step!.overall)
  })

  it('finds the intensity that the formula expects: p ÷ (1 − p), cosine 1 ÷ √(1 + v)', async () => {
    const { steps } = await effectOf(dare, 1)
    near(relativeChange(steps[0]!.inScope)! ** 2, 9, 0.02)
    near(cosine(steps[0]!.inScope), 1 / Math.sqrt(10), 0.02)
  })

  it('measures each step against the one before it and the whole against the first', async () => {
    const { steps, whole } = await effectOf(chain, 3)
    const stages = [leaves.a, dare, edit('scale', { alpha: 0.5 }, dare), chain]
    const values: Float32Array[] = []
    for (const stage of stages) values.push(await valuesOf(await planFor(stage), 'layers.0.weight'))
    const norms = values.map((each) => dot(each, each))
    const normOf = await Promise.all(
      stages.map(async (stage) => {
        const small = await valuesOf(await planFor(stage), 'layers.1.weight')
        return dot(small, small)
      }),
    )
    for (const i of [0, 2]) near(steps[i]!.inScope.squaresA, norms[i]! + normOf[i]!)
    for (const i of [0, 2]) near(steps[i]!.inScope.squaresB, norms[i + 1]! + normOf[i + 1]!)
    near(relativeChange(steps[1]!.overall), 0.5, 1e-6)
    assert.equal(whole.overall.squaresA, steps[0]!.overall.squaresA)
    assert.equal(whole.overall.squaresB, steps[2]!.overall.squaresB)
  })

  it('names what a step acts on and what it passes through, of what the delta changes', async () => {
    const { steps, whole, tensors } = await effectOf(chain, 3)
    const named = (specs: EditEffect['tensors']): string[] => specs.map(({ name }) => name)
    assert.deepEqual(named(tensors), names)
    assert.deepEqual(named(steps[0]!.acts), ['layers.0.weight', 'layers.1.weight'])
    assert.deepEqual(named(steps[0]!.passes), ['norm.weight'])
    assert.deepEqual(named(steps[1]!.acts), names)
    assert.deepEqual(named(whole.passes), [])
  })

  it('gives the same sums for every chunk size', async () => {
    const [small, large] = [BLOCK_ELEMENTS, 4 * BLOCK_ELEMENTS]
    const [one, other] = [
      await measureEdits(await planFor(chain, small), 3),
      await measureEdits(await planFor(chain, large), 3),
    ]
    assert.deepEqual(one.whole, other.whole)
    assert.deepEqual(
      one.steps.map(({ overall }) => overall),
      other.steps.map(({ overall }) => overall),
    )
  })

  it('measures a large model on a sample, tensors in scope first', async () => {
    const { measured, steps } = await effectOf(dare, 1, { sampleElements: 1 })
    assert.deepEqual(
      measured.map(({ name }) => name),
      ['layers.0.weight'],
    )
    assert.equal(steps[0]!.acts.length, 2)
    assert.equal(steps[0]!.overall.elements, 2 * BLOCK_ELEMENTS + 10)
    const all = await effectOf(dare, 1, { sampleElements: 2 * BLOCK_ELEMENTS + 11 })
    assert.equal(all.measured.length, 2)
  })

  it('says that an edit of the base changes nothing', async () => {
    const { tensors, whole } = await effectOf(edit('scale', { alpha: 1 }, leaves.base), 1)
    assert.deepEqual(tensors, [])
    assert.equal(relativeChange(whole.overall), 0)
    assert.equal(cosine(whole.overall), null)
  })

  it('gives memory back and stops when the signal fires', async () => {
    const plan = await planFor(chain)
    const abort = new AbortController()
    const measuring = measureEdits(plan, 3, {
      signal: abort.signal,
      onProgress: () => abort.abort(),
    })
    await assert.rejects(measuring, { name: 'AbortError' })
    assert.equal(plan.context.kernels.allocated, 0)
  })
})
