import assert from 'node:assert/strict'
import { commonGround, type Operand } from '../../node/roles/operands.ts'
import { cidOfValue, type Recipe } from '../../src/index.ts'

const base = cidOfValue('base')

function operand(name: string, recipe: Partial<Recipe>): Operand {
  const delta = { delta: cidOfValue(name) }
  return {
    name,
    recipe: { version: 1, algorithm: 1, base, mode: 'paper', root: delta, ...recipe },
  }
}

function merged(name: string, recipe: Partial<Recipe>): Operand {
  const inputs = [{ delta: cidOfValue(name) }]
  return operand(name, { root: { operator: 'ties', parameters: {}, inputs }, ...recipe })
}

describe('the common ground of operands', () => {
  it('is the mode of those that contain operators, whatever the bare ones say', () => {
    const operands = [operand('a', {}), merged('b', { mode: 'official' })]
    assert.deepEqual(commonGround(operands), { base, mode: 'official' })
    assert.deepEqual(commonGround([operand('a', {})]), { base, mode: 'paper' })
    assert.deepEqual(commonGround([operand('a', {})], 'mergekit'), { base, mode: 'mergekit' })
  })

  it('keeps the dtype', () => {
    assert.deepEqual(commonGround([merged('a', { dtype: 'BF16' })]), {
      base,
      mode: 'paper',
      dtype: 'BF16',
    })
  })

  it('refuses operands that differ, and names both values', () => {
    const official = merged('b', { mode: 'official' })
    assert.throws(() => commonGround([official, merged('c', { mode: 'mergekit' })]), {
      id: 'E_MODE_MISMATCH',
      expected: 'official',
      actual: 'mergekit',
    })
    assert.throws(() => commonGround([official], 'paper'), { id: 'E_MODE_MISMATCH' })
    assert.throws(() => commonGround([merged('a', {}), merged('b', { dtype: 'F16' })]), {
      id: 'E_DTYPE_MISMATCH',
    })
    assert.throws(
      () => commonGround([operand('a', {}), operand('b', { base: cidOfValue('other') })]),
      {
        id: 'E_BASE_MISMATCH',
      },
    )
  })
})
