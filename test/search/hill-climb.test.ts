import assert from 'node:assert/strict'
import { cidOfValue } from '../../src/canonical.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import { loadOperators } from '../../src/operators/index.ts'
import { type Entries, recipeId, recipeOf } from '../../src/recipes/canonical-recipe.ts'
import type { OperatorNode, Recipe } from '../../src/recipes/recipe.ts'
import { strategy } from '../../src/search/hill-climb.ts'
import { numberMoves } from '../../src/search/moves/parameter-moves.ts'

describe('numberMoves', () => {
  const share = { min: 0, max: 1 }

  it('steps by half of the value and halves the step from level to level', () => {
    assert.deepEqual(numberMoves(share, 0.2, 0), [0.1, 0.3])
    assert.deepEqual(numberMoves(share, 0.2, 1), [0.15, 0.25])
    assert.deepEqual(numberMoves(share, 0.2, 2), [0.175, 0.225])
  })

  it('leaves out what lies outside the range', () => {
    assert.deepEqual(numberMoves(share, 0.9, 0), [0.65])
    assert.deepEqual(numberMoves(share, 1, 0), [0.75])
  })

  it('moves away from 0 by a share of the range, and by whole numbers where it must', () => {
    assert.deepEqual(numberMoves({ min: -2, max: 4 }, 0, 0), [-0.15, 0.15])
    assert.deepEqual(numberMoves({ min: 1, max: 8, integer: true }, 2, 4), [1, 3])
  })

  it('comes to 0 where rounding would leave dust', () => {
    const scale = { min: -2, max: 4 }
    const [, up] = numberMoves(scale, -0.15, 0)
    assert.equal(up, 0)
    assert.deepEqual(numberMoves({ min: 0, max: 1 }, 0.025, 0)[0], 0)
    // 0.3 / 2 and 0.1 + 0.05 are not the same double.
    assert.ok(numberMoves(scale, 0.1 + 0.05, 0).includes(0))
  })
})

describe('hill-climb', () => {
  const base = cidOfValue('base')
  const leaf = { delta: cidOfValue('a') }
  let entries: Entries

  before(async () => {
    entries = { operators: await loadOperators(), codecs: await loadCodecs() }
  })

  it('puts every edit but controls on a published delta, scale in both directions', () => {
    const champion = recipeOf({ base, root: leaf }, entries)
    const edits = entries.operators.ids.filter((id) => {
      const { kind, control } = entries.operators.get(id)
      return kind === 'edit' && control !== true
    })
    const count = edits.length + 1
    const proposals = strategy.propose({ ...entries, champion, tried: new Set(), count, seed: 0 })
    const tops = proposals.map(({ root }) => (root as OperatorNode).operator)
    assert.deepEqual([...new Set(tops)].toSorted(), edits)
    assert.equal(tops.filter((id) => id === 'scale').length, tops.length - edits.length + 1)
  })

  it('never proposes an edit that gives back its input', () => {
    const root = { operator: 'scale', parameters: { alpha: 0.15 }, inputs: [leaf] }
    const champion = recipeOf({ base, root }, entries)
    const all = strategy.propose({ ...entries, champion, tried: new Set(), count: 99, seed: 0 })
    const alphas = all.map(({ root }) => (root as OperatorNode).parameters['alpha'])
    assert.ok(alphas.length > 5 && !alphas.includes(0), alphas.join(' '))
  })

  it('knows no parameter that says nothing, and takes up what another option reads', () => {
    const inputs = [leaf, { delta: cidOfValue('b') }]
    const root = { operator: 'dare', parameters: { select: 'mask', k: 0.5 }, inputs }
    const champion = recipeOf({ base, root }, entries)
    const all = strategy.propose({ ...entries, champion, tried: new Set(), count: 99, seed: 0 })
    const draws = all
      .map(({ root }) => root as OperatorNode)
      .filter(({ operator }) => operator === 'dare')
    assert.ok(draws.length > 3)
    for (const { parameters } of draws) {
      assert.deepEqual(Object.keys(parameters).sort(), ['k', 'select'])
    }
    const random = recipeOf({ base, root: { operator: 'dare', inputs: [leaf] } }, entries)
    const near = strategy.propose({
      ...entries,
      champion: random,
      tried: new Set(),
      count: 99,
      seed: 0,
    })
    const selects = near.map(({ root }) => (root as OperatorNode).parameters['select'])
    assert.ok(selects.includes('sign') && selects.includes('magnitude'), selects.join(' '))
  })

  it('climbs to the optimum of two parameters within 80 measurements', () => {
    const inputs = [leaf, { delta: cidOfValue('b') }]
    let champion = recipeOf({ base, root: { operator: 'ties', inputs } }, entries)
    const tried = new Set<string>()
    while (tried.size < 80) {
      const [next] = strategy.propose({ ...entries, champion, tried, count: 1, seed: 4 })
      if (next === undefined) break
      tried.add(recipeId(next).toString())
      if (loss(next) < loss(champion)) champion = next
    }
    assert.ok(loss(champion) < 0.01, `${loss(champion)}`)
  })
})

/** A bowl with its lowest point at density .55 and lambda 1.8. */
function loss({ root }: Recipe): number {
  if (!('operator' in root) || root.operator !== 'ties') return 10
  const { density, lambda } = root.parameters as { density: number; lambda: number }
  return (density - 0.55) ** 2 + (lambda - 1.8) ** 2
}
