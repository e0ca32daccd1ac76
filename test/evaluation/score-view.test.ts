import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { rank } from '../../src/evaluation/leaderboard.ts'
import type { ScoreRecord } from '../../src/evaluation/score.ts'
import { viewOf, viewRoot } from '../../src/evaluation/score-view.ts'
import { claim, suiteId } from './score-records.ts'

describe('viewOf', () => {
  it('keeps the record with the greatest sequence number of each author', () => {
    const old = claim({ variant: 'v', author: 'a', seq: 1, losses: [1] })
    const recent = claim({ variant: 'v', author: 'a', seq: 10, losses: [2] })
    const other = claim({ variant: 'v', author: 'b', seq: 2, losses: [3] })
    assert.deepEqual(viewOf([recent, other, old]).records, [recent, other])
  })

  it('keeps variants, suites and shards apart', () => {
    const records = [
      claim({ variant: 'v', author: 'a', losses: [1] }),
      claim({ variant: 'w', author: 'a', losses: [1] }),
      claim({ variant: 'v', author: 'a', losses: [1], shard: 1 }),
      claim({
        variant: 'v',
        author: 'a',
        losses: [1],
        suite: claim({ variant: 'x', author: 'a', losses: [] }).variant,
      }),
    ]
    assert.equal(viewOf(records).records.length, 4)
    assert.deepEqual(viewOf(records).equivocations, [])
  })

  it('gives no weight to an author who contradicts themselves, until a newer record', () => {
    const first = claim({ variant: 'v', author: 'a', seq: 1, losses: [1] })
    const [one, two] = [
      claim({ variant: 'v', author: 'a', seq: 2, losses: [2], id: 'one' }),
      claim({ variant: 'v', author: 'a', seq: 2, losses: [3], id: 'two' }),
    ]
    const records = [first, two, one]
    const equivocation = { author: 'a', records: [one, two] }
    assert.deepEqual(viewOf(records), {
      records: [],
      equivocations: [{ ...equivocation, current: true }],
    })
    const settled = claim({ variant: 'v', author: 'a', seq: 3, losses: [2] })
    assert.deepEqual(viewOf([...records, settled]), {
      records: [settled],
      equivocations: [{ ...equivocation, current: false }],
    })
  })
})

describe('viewRoot', () => {
  const shards = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 2, maxLength: 2 })
  const record: fc.Arbitrary<ScoreRecord> = fc
    .record({
      variant: fc.constantFrom('v', 'w', 'x'),
      author: fc.constantFrom('a', 'b', 'c'),
      shard: fc.integer({ min: 0, max: 2 }),
      seq: fc.integer({ min: 0, max: 3 }),
      losses: shards,
    })
    .map((fields) => claim({ ...fields, id: JSON.stringify(fields) }))
  const targets = [
    [1, 1],
    [1, 1],
    [1, 1],
  ]
  const ranking = (records: readonly ScoreRecord[]): readonly string[] =>
    rank({ records, suite: { id: suiteId, metric: 'loss', targets }, minShards: 1 }).standings.map(
      ({ variant, loss }) => `${variant.toString()} ${loss}`,
    )

  it('and the ranking depend on the set alone, not on order, duplicates or partition', () => {
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 40 }),
        fc.infiniteStream(fc.nat()),
        (set, picks) => {
          const next = (): number => picks.next().value as number
          const shuffled = set
            .map((item) => [next(), item] as const)
            .toSorted(([a], [b]) => a - b)
            .map(([, item]) => item)
          const cut = next() % (set.length + 1)
          const merged = [...shuffled.slice(cut), ...shuffled.slice(0, cut), ...set.slice(0, cut)]
          assert.equal(viewRoot(merged), viewRoot(set))
          assert.deepEqual(ranking(merged), ranking(set))
        },
      ),
      { numRuns: 150 },
    )
  })

  it('changes with every record that counts or contradicts, and with no other', () => {
    const one = claim({ variant: 'v', author: 'a', seq: 2, losses: [1] })
    const older = claim({ variant: 'v', author: 'a', seq: 1, losses: [1] })
    const other = claim({ variant: 'v', author: 'b', losses: [1] })
    const against = claim({ variant: 'v', author: 'a', seq: 2, losses: [2] })
    assert.equal(viewRoot([one, older]), viewRoot([one]))
    const roots = [[], [one], [one, other], [one, against], [one, other, against]].map(viewRoot)
    assert.equal(new Set(roots).size, 5)
  })

  it('is the same for records that differ in a clock that no one asks', () => {
    const one = claim({ variant: 'v', author: 'a', losses: [1] })
    const late = { ...one, at: Date.UTC(2030, 0, 1) }
    assert.equal(viewRoot([late]), viewRoot([one]))
  })
})
