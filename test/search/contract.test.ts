import assert from 'node:assert/strict'
import { loadStrategies } from '../../src/search/index.ts'
import { describeStrategy } from '../contract/strategy.ts'

const strategies = await loadStrategies()

describe('strategies', () => {
  it('are the files of their folder', () => {
    assert.deepEqual(strategies.ids, ['hill-climb', 'line-search'])
  })
})

for (const id of strategies.ids) describeStrategy(strategies.get(id))
