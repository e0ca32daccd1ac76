import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { BUCKETS, createIdIndex, differingBuckets } from '../../protocol/sync/reconcile.ts'
import { sha256 } from '../../src/canonical.ts'

const idOf = (n: number): Uint8Array => sha256(Uint8Array.of(n, n >> 8, n >> 16))
const hex = (id: Uint8Array): string => Buffer.from(id).toString('hex')

function indexOf(numbers: Iterable<number>) {
  const index = createIdIndex()
  for (const n of numbers) index.add(idOf(n))
  return index
}

describe('reconciliation', () => {
  const numbers = fc.uniqueArray(fc.nat(5000), { maxLength: 300 })

  it('lists everything that one set has and the other lacks', () => {
    fc.assert(
      fc.property(numbers, numbers, fc.integer({ min: 1, max: 50 }), (ours, theirs, page) => {
        const [mine, other] = [indexOf(ours), indexOf(theirs)]
        const buckets = differingBuckets(mine.bucketDigests(), other.bucketDigests())
        const listed: Uint8Array[] = []
        for (let after: Uint8Array | undefined; ; after = listed.at(-1)) {
          const ids = other.list(buckets, after, page)
          listed.push(...ids)
          if (ids.length < page) break
        }
        const held = new Set(ours.map((n) => hex(idOf(n))))
        const missing = theirs.map((n) => hex(idOf(n))).filter((id) => !held.has(id))
        const found = listed.map(hex).filter((id) => !held.has(id))
        assert.deepEqual(found, missing.toSorted())
      }),
      { numRuns: 100 },
    )
  })

  it('knows equal sets by one digest, in whatever order they grew', () => {
    fc.assert(
      fc.property(numbers, (ours) => {
        const one = indexOf(ours)
        const other = createIdIndex()
        for (const n of ours.toReversed()) {
          other.add(idOf(n))
          other.digest()
        }
        assert.deepEqual(one.digest(), other.digest())
        other.add(idOf(9999))
        assert.notDeepEqual(one.digest(), other.digest())
      }),
      { numRuns: 30 },
    )
  })

  it('lists little for one missing id among 10,000', () => {
    const all = indexOf(Array(10_000).keys())
    const most = indexOf(Array(9_999).keys())
    const buckets = differingBuckets(most.bucketDigests(), all.bucketDigests())
    assert.deepEqual(buckets, [idOf(9_999)[0]])
    assert.ok(all.list(buckets, undefined, Infinity).length < 100)
    assert.equal(all.list([...Array(BUCKETS).keys()], undefined, Infinity).length, 10_000)
  })
})
