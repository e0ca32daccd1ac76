import assert from 'node:assert/strict'
import { bootstrap } from '../../src/evaluation/bootstrap.ts'
import { pairedDifference } from '../../src/evaluation/paired-difference.ts'
import { createRandom } from '../../src/random.ts'

describe('bootstrap', () => {
  it('equals a naive bootstrap with the same draws', () => {
    const random = createRandom('test')
    const differences = Float64Array.from({ length: 37 }, () => random.normal())
    const counts = Float64Array.from({ length: 37 }, () => 1 + random.below(9))
    assert.deepEqual(bootstrap(differences, counts, { resamples: 200, seed: 5 }), {
      difference: sum([...differences]) / sum([...counts]),
      ...naiveIntervals([...differences], [...counts], 200, 5),
    })
  })

  it('repeats to the bit on every machine', () => {
    const differences = Float64Array.of(0.1, -0.2, 0.3, 0.05, 0.7)
    const counts = new Float64Array(5).fill(1)
    assert.deepEqual(bootstrap(differences, counts), bootstrap(differences, counts))
    assert.deepEqual(bootstrap(differences, counts), {
      difference: 0.19,
      interval95: { lower: -0.05000000000000001, upper: 0.45999999999999996 },
      interval90: { lower: -0.030000000000000006, upper: 0.42000000000000004 },
    })
  })

  it('has no width where there is no difference', () => {
    const nothing = { lower: 0, upper: 0 }
    assert.deepEqual(bootstrap(new Float64Array(100), new Float64Array(100).fill(3)), {
      difference: 0,
      interval95: nothing,
      interval90: nothing,
    })
  })

  it('covers the true mean of normal samples about as often as it says', () => {
    const random = createRandom('coverage')
    const [trials, items] = [300, 60]
    let [in95, in90] = [0, 0]
    for (let trial = 0; trial < trials; trial++) {
      const sample = Float64Array.from({ length: items }, () => 0.2 + random.normal())
      const { interval95, interval90 } = bootstrap(sample, new Float64Array(items).fill(1), {
        resamples: 400,
        seed: trial,
      })
      if (interval95.lower <= 0.2 && 0.2 <= interval95.upper) in95++
      if (interval90.lower <= 0.2 && 0.2 <= interval90.upper) in90++
    }
    // Four standard deviations of a binomial proportion below the nominal level, and never above.
    assert.ok(in95 / trials > 0.9 && in95 / trials < 0.985, `95 % covers ${in95 / trials}`)
    assert.ok(in90 / trials > 0.83 && in90 / trials < 0.95, `90 % covers ${in90 / trials}`)
  })
})

describe('pairedDifference', () => {
  const ones = new Float64Array(4).fill(1)

  it('uses the items that both have, weighted by their targets', () => {
    const ours = Float64Array.of(1, 2, Number.NaN, 4)
    const theirs = Float64Array.of(0, 2, 3, Number.NaN)
    const found = pairedDifference(ours, theirs, Float64Array.of(3, 1, 1, 1))
    assert.equal(found?.difference, 3 / 4)
    assert.equal(found.items, 2)
  })

  it('finds nothing without shared items', () => {
    const [ours, theirs] = [Float64Array.of(1, Number.NaN), Float64Array.of(Number.NaN, 1)]
    assert.equal(pairedDifference(ours, theirs, ones.subarray(2)), undefined)
  })

  it('calls a loss that is not finite infinitely worse, and two of them equal', () => {
    const sound = Float64Array.of(1, 2, 3, 4)
    const broken = Float64Array.of(1, 2, Infinity, 4)
    assert.equal(pairedDifference(broken, sound, ones)?.difference, Infinity)
    assert.equal(pairedDifference(sound, broken, ones)?.difference, -Infinity)
    assert.equal(pairedDifference(broken, broken, ones)?.difference, 0)
    const other = pairedDifference(broken, Float64Array.of(Infinity, 2, 3, 4), ones)
    assert.deepEqual(other?.interval95, { lower: -Infinity, upper: Infinity })
  })
})

/** The draws of the frozen generator, xoshiro128** in BigInt, and everything else by the book. */
function naiveIntervals(d: number[], n: number[], resamples: number, seed: number): object {
  const random = createRandom('bootstrap', d.length, resamples, seed)
  const state = [random.word(), random.word(), random.word(), (random.word() | 1) >>> 0].map(BigInt)
  const mask = 0xffffffffn
  const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (32n - by))) & mask
  const next = (): number => {
    const word = (rotate((state[1]! * 5n) & mask, 7n) * 9n) & mask
    const shifted = (state[1]! << 9n) & mask
    state[2]! ^= state[0]!
    state[3]! ^= state[1]!
    state[1]! ^= state[2]!
    state[0]! ^= state[3]!
    state[2]! ^= shifted
    state[3] = rotate(state[3]!, 11n)
    return Number((word * BigInt(d.length)) >> 32n)
  }
  const ratios = Array.from({ length: resamples }, () => {
    const items = d.map(next)
    return sum(items.map((i) => d[i]!)) / sum(items.map((i) => n[i]!))
  }).toSorted((a, b) => a - b)
  const between = (skip: number): object => ({
    lower: ratios[skip],
    upper: ratios[resamples - 1 - skip],
  })
  return { interval95: between(resamples * 0.025), interval90: between(resamples * 0.05) }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
