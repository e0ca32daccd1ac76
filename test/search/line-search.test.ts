import assert from 'node:assert/strict'
import { cidOfValue } from '../../src/canonical.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import { loadOperators } from '../../src/operators/index.ts'
import { type Entries, recipeId, recipeOf } from '../../src/recipes/canonical-recipe.ts'
import type { OperatorNode, Recipe } from '../../src/recipes/recipe.ts'
import { strategy } from '../../src/search/line-search.ts'

describe('line-search', () => {
  const leaf = { delta: cidOfValue('a') }
  let entries: Entries

  before(async () => {
    entries = { operators: await loadOperators(), codecs: await loadCodecs() }
  })

  const draft = (operator: string, parameters: object): Recipe =>
    recipeOf(
      {
        base: cidOfValue('base'),
        root: { operator, parameters: { ...parameters }, inputs: [leaf] },
      },
      entries,
    )
  const numberOf = (recipe: Recipe, name: string): number =>
    (recipe.root as OperatorNode).parameters[name] as number

  /** Measures what is proposed, `count` at a time, and moves to what is better. */
  function search(start: Recipe, loss: (recipe: Recipe) => number, rounds: number, count: number) {
    let champion = start
    const tried = new Set<string>()
    for (let round = 0; round < rounds; round++) {
      for (const recipe of strategy.propose({ ...entries, champion, tried, count, seed: 3 })) {
        tried.add(recipeId(recipe).toString())
        if (loss(recipe) < loss(champion)) champion = recipe
      }
    }
    return { champion, measured: tried.size }
  }

  it('finds the best alpha of a delta to a step of its range within 20 measurements', () => {
    const root = draft('scale', { alpha: 0.5, attention: 1 })
    const only = (recipe: Recipe): number =>
      ['attention', 'mlp'].some((name) => numberOf(recipe, name) !== 1)
        ? Infinity
        : Math.abs(numberOf(recipe, 'alpha') - 1.3)
    const lines = strategy.propose({
      ...entries,
      champion: root,
      tried: new Set(),
      count: 400,
      seed: 3,
    })
    assert.ok(lines.length > 150, 'all three numbers are gone through')
    const { champion } = search(root, only, 100, 2)
    assert.ok(Math.abs(numberOf(champion, 'alpha') - 1.3) <= 6 / 64)
  })

  it('stays between the tried neighbours of the champion', () => {
    const champion = draft('drop', { p: 0.5 })
    const tried = new Set([0.25, 0.625].map((p) => recipeId(draft('drop', { p })).toString()))
    const proposals = strategy.propose({ ...entries, champion, tried, count: 200, seed: 0 })
    const line = proposals.filter(({ root }) => (root as OperatorNode).operator === 'drop')
    const shares = line.map((recipe) => numberOf(recipe, 'p')).toSorted((a, b) => a - b)
    const steps = Array.from({ length: 23 }, (_, i) => (17 + i) / 64).filter((p) => p !== 0.5)
    assert.deepEqual(shares, steps)
  })

  it('keeps to what an operator takes: no q below 1 − p', () => {
    const champion = draft('darex', { p: 0.5, q: 0.75 })
    const proposals = strategy.propose({
      ...entries,
      champion,
      tried: new Set(),
      count: 500,
      seed: 0,
    })
    const factors = proposals
      .map(({ root }) => root as OperatorNode)
      .filter(({ operator, parameters }) => operator === 'darex' && parameters['p'] === 0.5)
      .map(({ parameters }) => parameters['q'] as number)
    assert.ok(factors.length >= 30 && Math.min(...factors) >= 0.5 && Math.max(...factors) === 1)
  })

  it('narrows a bracket of 64 steps down within a dozen measurements', () => {
    // A line alone: every other number of `drop` is fixed, and going along the delta is worse.
    const loss = (recipe: Recipe): number => {
      const { operator } = recipe.root as OperatorNode
      return operator === 'drop' ? (numberOf(recipe, 'p') - 0.7) ** 2 : Infinity
    }
    let champion = draft('drop', { p: 0.1 })
    const tried = new Set<string>()
    let measured = 0
    for (;;) {
      const [next] = strategy
        .propose({ ...entries, champion, tried, count: 200, seed: 1 })
        .filter(({ root }) => (root as OperatorNode).operator === 'drop')
      if (next === undefined) break
      measured++
      tried.add(recipeId(champion).toString()).add(recipeId(next).toString())
      if (loss(next) < loss(champion)) champion = next
    }
    assert.ok(Math.abs(numberOf(champion, 'p') - 0.7) <= 0.5 / 64, `${numberOf(champion, 'p')}`)
    assert.ok(measured <= 20, `${measured}`)
  })
})
