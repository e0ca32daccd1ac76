import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { createMemoryRecordSet } from '../../protocol/record-set.ts'
import { keyOf, signedScore } from './fixtures.ts'

describe('a record set', () => {
  it('ends the same whatever the order, repetition and grouping of additions', async () => {
    const keys = await Promise.all([1, 2, 3].map(keyOf))
    const all = keys.flatMap((key) => [1, 2, 3, 4].map((seq) => signedScore(key, { seq })))
    const expected = all.map(({ id }) => id.toString()).toSorted()
    const arrivals = fc.tuple(
      fc.shuffledSubarray(all, { minLength: all.length }),
      fc.array(fc.constantFrom(...all), { maxLength: 20 }),
      fc.integer({ min: 1, max: 7 }),
    )
    await fc.assert(
      fc.asyncProperty(arrivals, async ([shuffled, repeated, group]) => {
        const set = createMemoryRecordSet()
        const stream = [...repeated, ...shuffled, ...repeated]
        let added = 0
        for (let i = 0; i < stream.length; i += group) {
          added += (await set.add(stream.slice(i, i + group))).length
        }
        assert.equal(added, all.length)
        assert.deepEqual([...set.ids()].map(String).toSorted(), expected)
      }),
      { numRuns: 50 },
    )
  })

  it('gives back the bytes of what it holds and nothing else', async () => {
    const set = createMemoryRecordSet()
    const [one, other] = [signedScore(await keyOf(1)), signedScore(await keyOf(2))]
    assert.deepEqual(await set.add([one]), [one])
    assert.deepEqual(await set.add([one]), [])
    assert.equal(await set.get(one.id), one.bytes)
    assert.equal(await set.get(other.id), undefined)
    assert.ok(set.has(one.id) && !set.has(other.id))
    assert.equal(set.size, 1)
  })

  it('keeps both of two records with one author and seq', async () => {
    const set = createMemoryRecordSet()
    const key = await keyOf(1)
    await set.add([signedScore(key, { at: 1 }), signedScore(key, { at: 2 })])
    assert.equal(set.size, 2)
  })

  it('gives no author more than its share', async () => {
    const set = createMemoryRecordSet({ maxPerAuthor: 2, maxRecords: 3 })
    const keys = await Promise.all([1, 2].map(keyOf))
    const added = await set.add(
      keys.flatMap((key) => [1, 2, 3].map((seq) => signedScore(key, { seq }))),
    )
    assert.deepEqual(
      added.map(({ record }) => record.seq),
      [1, 2, 1],
    )
  })
})
