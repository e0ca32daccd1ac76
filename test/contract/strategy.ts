import assert from 'node:assert/strict'
import { type CID, cidOfValue } from '../../src/canonical.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import { loadOperators } from '../../src/operators/index.ts'
import {
  type DraftNode,
  type Entries,
  recipeId,
  recipeOf,
} from '../../src/recipes/canonical-recipe.ts'
import type { OperatorNode, Recipe, RecipeNode } from '../../src/recipes/recipe.ts'
import type { SearchState, Strategy } from '../../src/search/index.ts'

const leaf = (name: string): { delta: CID } => ({ delta: cidOfValue(name) })

/** Champions of every shape: a leaf, an edit, an edit of an edit, merges. */
const champions: Readonly<Record<string, DraftNode>> = {
  'a published delta': leaf('a'),
  'an edit': { operator: 'dare', parameters: { p: 0.9, seed: 3 }, inputs: [leaf('a')] },
  'an edit with a codec': { operator: 'through', inputs: [leaf('a')] },
  'an edit that looks at a second delta': {
    operator: 'dare',
    parameters: { select: 'mask', k: 0.5 },
    inputs: [leaf('a'), leaf('b')],
  },
  'a chain of edits': {
    operator: 'scale',
    parameters: { alpha: 0.25 },
    inputs: [{ operator: 'trim', parameters: { density: 0.5 }, inputs: [leaf('a')] }],
  },
  'a merge': {
    operator: 'ties',
    parameters: { density: 0.2, weights: [1, 0.5] },
    inputs: [leaf('a'), { operator: 'drop', inputs: [leaf('b')] }],
  },
}

/** What every strategy promises, whatever its idea is. */
export function describeStrategy(strategy: Strategy): void {
  describe(`strategy ${strategy.id}`, () => {
    let entries: Entries

    before(async () => {
      entries = { operators: await loadOperators(), codecs: await loadCodecs() }
    })

    function stateFrom(root: DraftNode, init: Partial<SearchState>): SearchState {
      const champion = recipeOf({ base: cidOfValue('base'), root }, entries)
      return { ...entries, champion, tried: new Set<string>(), count: 8, seed: 1, ...init }
    }

    it('says what it does and where it comes from', () => {
      assert.match(strategy.about, /^[a-z].{10,}[^.]$/)
      assert.match(strategy.reference, /^https:\/\//)
    })

    for (const [what, root] of Object.entries(champions)) {
      const state = (init: Partial<SearchState> = {}): SearchState => stateFrom(root, init)

      describe(`from ${what}`, () => {
        it('proposes as many valid, normalised and distinct recipes as it is asked for', () => {
          const recipes = strategy.propose(state())
          assert.equal(recipes.length, 8)
          assert.equal(new Set([...ids(recipes), ...ids([state().champion])]).size, 9)
          for (const recipe of recipes) assert.deepEqual(recipeOf(recipe, entries), recipe)
        })

        it('proposes the same again from the same state, and others under another seed', () => {
          assert.deepEqual(strategy.propose(state()), strategy.propose(state()))
          const other = strategy.propose(state({ seed: 2 }))
          assert.notDeepEqual(ids(other), ids(strategy.propose(state())))
        })

        it('leaves seeds alone and keeps base, mode and leaves', () => {
          const { champion } = state()
          for (const recipe of strategy.propose(state({ count: 1000 }))) {
            assert.deepEqual(recipe.base, champion.base)
            assert.equal(recipe.mode, champion.mode)
            assert.deepEqual(leavesOf(recipe.root), leavesOf(champion.root))
            // What no longer draws at random has no seed.
            const known = seedsOf(champion.root)
            for (const seed of seedsOf(recipe.root)) assert.ok(known.includes(seed))
          }
        })

        it('puts no control on anything', () => {
          const isControl = ({ operator, inputs }: OperatorNode): boolean =>
            entries.operators.get(operator).control === true || inputs.some(hasControl)
          const hasControl = (node: RecipeNode): boolean => 'operator' in node && isControl(node)
          for (const recipe of strategy.propose(state({ count: 1000 }))) {
            assert.ok(!hasControl(recipe.root), JSON.stringify(recipe.root))
          }
        })

        it('never proposes what was tried, and comes to an end', () => {
          const tried = new Set<string>()
          for (let round = 0; round < 200; round++) {
            const proposals = ids(strategy.propose(state({ tried })))
            if (proposals.length === 0) return
            for (const id of proposals) {
              assert.ok(!tried.has(id))
              tried.add(id)
            }
          }
          assert.fail('it still proposes after 200 rounds')
        })
      })
    }
  })
}

function ids(recipes: readonly Recipe[]): string[] {
  return recipes.map((recipe) => recipeId(recipe).toString())
}

function leavesOf(node: RecipeNode): string[] {
  return 'operator' in node ? node.inputs.flatMap(leavesOf).toSorted() : [JSON.stringify(node)]
}

/** Every seed other than the default 0 of an edit that was put on top. */
function seedsOf(node: RecipeNode): unknown[] {
  if (!('operator' in node)) return []
  const { seed = 0 } = node.parameters
  return [...(seed === 0 ? [] : [seed]), ...node.inputs.flatMap(seedsOf)]
}
