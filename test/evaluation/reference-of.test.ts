import assert from 'node:assert/strict'
import { cidOfValue } from '../../src/canonical.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import { referencesOf } from '../../src/evaluation/reference-of.ts'
import { loadOperators } from '../../src/operators/index.ts'
import {
  type DraftNode,
  type Entries,
  recipeId,
  recipeOf,
} from '../../src/recipes/canonical-recipe.ts'
import type { Mode } from '../../src/operators/index.ts'

describe('referencesOf', () => {
  const base = cidOfValue('base')
  const [a, b] = [{ delta: cidOfValue('a') }, { delta: cidOfValue('b') }]
  let entries: Entries

  before(async () => {
    entries = { operators: await loadOperators(), codecs: await loadCodecs() }
  })

  const idOf = (root: DraftNode, mode?: Mode): string =>
    recipeId(recipeOf({ base, root, ...(mode && { mode }) }, entries)).toString()
  const references = (root: DraftNode, mode?: Mode): string[] =>
    referencesOf(recipeOf({ base, root, ...(mode && { mode }) }, entries), entries).map((recipe) =>
      recipeId(recipe).toString(),
    )
  it('judges a published delta, or a checkpoint, against the base', () => {
    assert.deepEqual(references(a), [idOf({ weights: base })])
    assert.deepEqual(references({ weights: cidOfValue('post') }), [idOf({ weights: base })])
  })

  it('judges the base against nothing', () => {
    assert.deepEqual(references({ weights: base }), [])
  })

  it('judges an edit against its parent delta, in whatever mode it is made', () => {
    assert.deepEqual(references(scale(a)), [idOf(a)])
    assert.deepEqual(references(scale(a), 'mergekit'), [idOf(a)])
    assert.deepEqual(references(scale({ operator: 'trim', inputs: [a] })), [idOf(a)])
  })

  it('judges an edit of a merge against the merge, in its mode', () => {
    assert.deepEqual(references(scale(ties(a, b)), 'mergekit'), [idOf(ties(a, b), 'mergekit')])
  })

  it('judges a merge against its operands without their edits', () => {
    const found = references(ties(scale(a), b))
    assert.deepEqual(found.toSorted(), [idOf(a), idOf(b)].toSorted())
  })
})

function scale(input: DraftNode): DraftNode {
  return { operator: 'scale', parameters: { alpha: 0.5 }, inputs: [input] }
}

function ties(...inputs: DraftNode[]): DraftNode {
  return { operator: 'ties', inputs }
}
