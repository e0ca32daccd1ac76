import assert from 'node:assert/strict'
import { classify, equivalenceMargin, type VariantClass } from '../../src/evaluation/classify.ts'

describe('classify', () => {
  const cases: readonly [VariantClass, string, number, [number, number], [number, number]][] = [
    ['improved', 'is surely and usefully below', -0.03, [-0.05, -0.01], [-0.045, -0.015]],
    ['competitive', 'is surely but uselessly below', -0.004, [-0.006, -0.002], [-0.005, -0.003]],
    ['competitive', 'does not differ at all', 0, [0, 0], [0, 0]],
    ['competitive', 'is surely but harmlessly above', 0.004, [0.002, 0.006], [0.003, 0.005]],
    ['decreased', 'is surely and harmfully above', 0.03, [0.01, 0.05], [0.015, 0.045]],
    ['decreased', 'is not finite', Infinity, [Infinity, Infinity], [Infinity, Infinity]],
    ['undecided', 'may lie on either side', 0.001, [-0.03, 0.03], [-0.02, 0.02]],
    ['undecided', 'is above, but perhaps within the margin', 0.009, [0.002, 0.016], [0.003, 0.015]],
    ['undecided', 'touches the margin', 0, [-0.02, 0.02], [-0.01, 0.01]],
    ['undecided', 'is below by half the margin', -0.005, [-0.012, -0.001], [-0.011, -0.002]],
    [
      'undecided',
      'is broken in both ways',
      Number.NaN,
      [-Infinity, Infinity],
      [-Infinity, Infinity],
    ],
  ]
  for (const [expected, what, difference, [a, b], [c, d]] of cases) {
    it(`says ${expected} of what ${what}`, () => {
      const interval95 = { lower: a, upper: b }
      const interval90 = { lower: c, upper: d }
      assert.equal(classify({ difference, interval95, interval90, items: 1 }, 0.01), expected)
    })
  }
})

describe('equivalenceMargin', () => {
  it('is a twentieth of the gain and at least .005', () => {
    assert.equal(equivalenceMargin(3, 1), 0.1)
    assert.equal(equivalenceMargin(1.05, 1), 0.005)
    assert.equal(equivalenceMargin(1, 1), 0.005)
    assert.equal(equivalenceMargin(1, 3), 0.005)
    assert.equal(equivalenceMargin(Infinity, 1), 0.005)
  })
})
