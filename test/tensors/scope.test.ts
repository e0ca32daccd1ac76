import assert from 'node:assert/strict'
import { canonicalScope, inScope, MAX_SCOPE_LENGTH } from '../../src/tensors/scope.ts'
import type { TensorSpec } from '../../src/tensors/tensor.ts'

const spec = (name: string, shape: readonly number[] = [2, 2]): TensorSpec => ({
  name,
  shape,
  dtype: 'F32',
})
const names = [
  'model.embed_tokens.weight',
  'model.layers.0.mlp.up_proj.weight',
  'model.layers.0.self_attn.q_proj.weight',
  'model.layers.1.mlp.up_proj.weight',
  'model.norm.weight',
]
const reached = (scope: string): string[] =>
  names.filter((name) => inScope(canonicalScope(scope), spec(name)))

describe('scope', () => {
  it('reaches names by patterns, and leaves out what an exclusion fits', () => {
    assert.deepEqual(reached('*.mlp.*'), [names[1], names[3]])
    assert.deepEqual(reached('*.mlp.*|!*.0.*'), [names[3]])
    assert.deepEqual(reached('model.norm.weight'), [names[4]])
    assert.deepEqual(reached('model.norm'), [])
    assert.deepEqual(reached('*layers*q_proj*|*norm*'), [names[2], names[4]])
    assert.deepEqual(reached('all|!matrices'), [names[0], names[4]])
    assert.deepEqual(reached('matrices|!*.1.*'), [names[1], names[2]])
  })

  it('fits pieces one after the other without overlap', () => {
    const fits = (pattern: string, name: string): boolean => inScope(pattern, spec(name))
    assert.ok(fits('a*a', 'aa') && fits('a*a', 'aba') && !fits('a*a', 'a'))
    assert.ok(fits('*ab*ab*', 'xababx') && !fits('*ab*ab*', 'xabax'))
    assert.ok(fits('a*b*c', 'abbc') && !fits('a*b*c', 'acb') && fits('*c', 'cc'))
  })

  it('means matrices inside the layers by `matrices`', () => {
    assert.ok(inScope('matrices', spec('layers.0.weight')))
    assert.ok(!inScope('matrices', spec('layers.0.weight', [4])))
    assert.ok(!inScope('matrices', spec('layers.0.weight', [1, 2, 1, 2])))
    assert.ok(!inScope('matrices', spec('lm_head.weight')))
  })

  it('has one spelling', () => {
    for (const [given, expected] of [
      ['b|a|b', 'a|b'],
      ['*.mlp.**|!*.0.*|*.mlp.*', '!*.0.*|*.mlp.*'],
      ['*', 'all'],
      ['!***|a', '!all|a'],
      ['matrices', 'matrices'],
    ]) {
      assert.equal(canonicalScope(given), expected)
      assert.equal(canonicalScope(expected), expected)
    }
  })

  it('refuses what is no scope', () => {
    const long = 'a'.repeat(MAX_SCOPE_LENGTH + 1)
    for (const given of [
      '',
      '|',
      'a|',
      '!a',
      '!',
      '!!a|b',
      'a\nb',
      '\u202ea',
      long,
      7,
      undefined,
    ]) {
      assert.throws(() => canonicalScope(given), { id: 'E_SCOPE' })
    }
  })

  it('tries nothing twice: what would take ages by backtracking is soon refused', () => {
    const name = 'a'.repeat(512)
    for (let i = 0; i < 100; i++) assert.ok(!inScope(`${'*a'.repeat(120)}*b`, spec(name)))
  })
})
