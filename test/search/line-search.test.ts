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

  it('goes through every number of the champion, and along the whole delta', () => {
    const champion = draft('darex', { p: 0.75, q: 0.5, seed: 9 })
    const state = { ...entries, champion, tried: new Set<string>(), count: 1000, seed: 0 }
    const moved = strategy.propose(state).map(({ root }) => {
      const { operator, parameters } = root as OperatorNode
      if (operator === 'scale') return 'alpha'
      assert.equal(parameters['seed'], 9)
      return parameters['p'] === 0.75 ? 'q' : 'p'
    })
    assert.deepEqual([...new Set(moved)].toSorted(), ['alpha', 'p', 'q'])
    assert.equal(moved.filter((name) => name === 'alpha').length, 65)
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

  it('tries every whole number around a champion that was tried itself', () => {
    for (const [codec, name, value, least, most] of [
      ['integer', 'bits', 4, 2, 8],
      ['blocks', 'blocks', 16, 1, 64],
    ] as const) {
      const champion = draft('through', { codec, [name]: value })
      const tried = new Set([recipeId(champion).toString()])
      const proposals = strategy.propose({ ...entries, champion, tried, count: 1000, seed: 0 })
      const moved = proposals
        .filter(({ root }) => (root as OperatorNode).operator === 'through')
        .map((recipe) => numberOf(recipe, name))
        .filter((moved) => moved !== value)
      const all = Array.from({ length: most - least + 1 }, (_, i) => least + i)
      assert.deepEqual(
        moved.toSorted((a, b) => a - b),
        all.filter((each) => each !== value),
      )
    }
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
