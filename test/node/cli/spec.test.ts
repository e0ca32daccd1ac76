import assert from 'node:assert/strict'
import { parseCodec, parseEdit, parseNumbers, parseSpec } from '../../../node/cli/spec.ts'

describe('parseSpec', () => {
  it('reads an id, its parameters and where it acts', () => {
    assert.deepEqual(parseSpec('raw'), { id: 'raw', parameters: {} })
    assert.deepEqual(parseSpec('dare=p:0.9,seed:7,scope:matrices'), {
      id: 'dare',
      parameters: { p: 0.9, seed: 7 },
      scope: 'matrices',
    })
  })

  it('takes numbers as numbers, lists as lists and everything else as text', () => {
    const { parameters } = parseSpec('x=a:-1e-3,b:BF16,c:1;2;3,d:0x10')
    assert.deepEqual(parameters, { a: -0.001, b: 'BF16', c: [1, 2, 3], d: 16 })
  })

  it('takes patterns and references as text, whatever they look like', () => {
    assert.deepEqual(parseEdit('dare=p:0.5,select:mask,by:@bob/mask:v2'), {
      id: 'dare',
      parameters: { p: 0.5, select: 'mask' },
      by: '@bob/mask:v2',
    })
    assert.equal(parseEdit('dare=by:7').by, '7')
    assert.equal(parseCodec('residual=like:7').like, '7')
    assert.deepEqual(parseEdit('drop=like:7').parameters, { like: 7 })
    assert.deepEqual(parseSpec('scale=scope:*.mlp.*|!*.0.*|model.norm.weight,alpha:1'), {
      id: 'scale',
      parameters: { alpha: 1 },
      scope: '*.mlp.*|!*.0.*|model.norm.weight',
    })
  })

  it('never makes a parameter of what every object has', () => {
    const { parameters } = parseSpec('x=constructor:1,toString:2')
    assert.deepEqual(Object.keys(parameters), ['constructor', 'toString'])
    assert.throws(() => parseSpec('x=__proto__:1'), { id: 'E_SPEC' })
  })

  for (const text of [
    '',
    '=',
    'x=a',
    'x=a:',
    'x=:1',
    'x=a:1,',
    'x=a:1,a:2',
    'x=by:a,by:b',
    'x=scope:all,scope:all',
    'X',
    'x y',
    'x=a:1;b',
  ]) {
    it(`refuses '${text}'`, () => {
      assert.throws(() => parseSpec(text), { name: 'InvalidInputError', id: 'E_SPEC' })
    })
  }
})

describe('parseNumbers', () => {
  it('reads numbers between commas or semicolons', () => {
    assert.deepEqual(parseNumbers('0.5;0.5'), [0.5, 0.5])
    assert.deepEqual(parseNumbers('1,-2e3'), [1, -2000])
  })

  for (const text of ['', ',', '1,', 'one', '1 2', 'NaN', 'Infinity']) {
    it(`refuses '${text}'`, () => {
      assert.throws(() => parseNumbers(text), { id: 'E_SPEC', actual: text })
    })
  }
})
