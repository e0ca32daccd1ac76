import assert from 'node:assert/strict'
import type { DraftNode } from '../../src/recipes/canonical-recipe.ts'
import { describeDifference } from '../../src/recipes/recipe-difference.ts'
import { entries, leaves, recipeFor } from './small-model.ts'

const names = new Map(Object.entries(leaves).map(([name, { weights }]) => [String(weights), name]))

function difference(a: DraftNode, b: DraftNode): string[] {
  const name = (leaf: { toString(): string }): string => names.get(leaf.toString())!
  return describeDifference(recipeFor(a), recipeFor(b), { ...entries, name })
}

const dare = (p: number, input: DraftNode, scope = 'matrices'): DraftNode => ({
  operator: 'dare',
  parameters: { p },
  scope,
  inputs: [input],
})

describe('describeDifference', () => {
  it('says nothing of one recipe', () => {
    assert.deepEqual(difference(dare(0.5, leaves.a), dare(0.5, leaves.a)), [])
  })

  it('names parameters and scopes that differ, however deep', () => {
    const scaled = (input: DraftNode) => ({ operator: 'scale', inputs: [input] })
    assert.deepEqual(difference(scaled(dare(0.9, leaves.a)), scaled(dare(0.5, leaves.a, 'all'))), [
      'dare: p 0.9 → 0.5',
      'dare: scope matrices → all',
    ])
  })

  it('names an edit or a leaf that takes the place of another', () => {
    assert.deepEqual(difference(leaves.a, dare(0.9, leaves.a)), ['a → dare(a, p=0.9)'])
    assert.deepEqual(difference(dare(0.9, leaves.a), dare(0.9, leaves.b)), ['a → b'])
  })

  it('names inputs that a merge has more or less, whatever their order', () => {
    const ties = (...inputs: DraftNode[]): DraftNode => ({ operator: 'ties', inputs })
    const [one, both] = [ties(leaves.a), ties(leaves.b, leaves.a)]
    assert.deepEqual(difference(one, both), ['ties: also b'])
    assert.deepEqual(difference(both, one), ['ties: without b'])
    assert.deepEqual(difference(both, ties(leaves.a, dare(0.9, leaves.b))), ['b → dare(b, p=0.9)'])
  })
})
