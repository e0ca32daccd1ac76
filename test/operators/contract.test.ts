import assert from 'node:assert/strict'
import { loadOperators } from '../../src/operators/index.ts'
import { operatorContract } from '../contract/operator.ts'

const operators = await loadOperators()

describe('operators', () => {
  it('are these', () => {
    assert.deepEqual(operators.ids, [
      'breadcrumbs',
      'dare',
      'darex',
      'della',
      'drop',
      'flip',
      'low-rank',
      'randomise-signs',
      'scale',
      'task-arithmetic',
      'through',
      'ties',
      'trim',
    ])
  })

  for (const id of operators.ids) {
    describe(id, () => operatorContract(operators.get(id)))
  }
})
