import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { judge, type Known } from '../../protocol/verdict.ts'
import { publicNetworkId } from '../../protocol/signature.ts'
import { decodeCanonical, encodeCanonical } from '../../src/canonical.ts'
import { keyOf, NOW, signedAnnouncement, signedScore } from './fixtures.ts'

const HOUR = 3_600_000
const known: Known = { now: NOW, networkId: publicNetworkId, has: () => false }

function reasonOf(bytes: Uint8Array, more: Partial<Known> = {}): string {
  const verdict = judge(bytes, { ...known, ...more })
  return verdict.verdict === 'accept' ? 'accept' : `${verdict.verdict} ${verdict.reason}`
}

describe('the verdict on a record', () => {
  it('accepts what is valid and new', async () => {
    const sealed = signedScore(await keyOf(1))
    const verdict = judge(sealed.bytes, known)
    assert.ok(verdict.verdict === 'accept')
    assert.deepEqual(verdict.sealed.record, sealed.record)
    assert.equal(verdict.id.toString(), sealed.id.toString())
    assert.equal(reasonOf(signedAnnouncement(await keyOf(1)).bytes), 'accept')
  })

  it('ignores what is known', async () => {
    const sealed = signedScore(await keyOf(1))
    const has: Known['has'] = (id) => id.equals(sealed.id)
    assert.equal(reasonOf(sealed.bytes, { has }), 'ignore known')
  })

  it('ignores types and versions that newer software may read', async () => {
    const { bytes } = signedScore(await keyOf(1))
    const value = decodeCanonical(bytes) as Record<string, unknown>
    const of = (changes: object) => reasonOf(encodeCanonical({ ...value, ...changes }))
    assert.equal(of({ version: 2 }), 'ignore unknown-format')
    assert.equal(of({ type: 'certificate' }), 'ignore unknown-format')
    assert.equal(
      reasonOf(encodeCanonical({ type: 'score', version: 9, x: 1 })),
      'ignore unknown-format',
    )
  })

  it('rejects what its sender could have checked', async () => {
    const key = await keyOf(1)
    const { bytes } = signedScore(key)
    const forged = encodeCanonical({ ...(decodeCanonical(bytes) as object), seq: 2 })
    const elsewhere = signedScore(key, { networkId: new Uint8Array(32) }).bytes
    assert.equal(reasonOf(forged), 'reject signature')
    assert.equal(reasonOf(elsewhere), 'reject signature')
    assert.equal(reasonOf(bytes.subarray(1)), 'reject malformed')
    assert.equal(reasonOf(encodeCanonical([])), 'reject malformed')
    assert.equal(reasonOf(new Uint8Array()), 'reject malformed')
    assert.equal(reasonOf(new Uint8Array(10_000)), 'reject oversize')
  })

  it('holds back what lies ahead of the clock, and says until when', async () => {
    const key = await keyOf(1)
    const at = NOW + 24 * HOUR
    const { bytes } = signedScore(key, { at })
    const verdict = judge(bytes, known)
    assert.ok(verdict.verdict === 'ignore' && verdict.reason === 'future')
    assert.equal(verdict.until, at - HOUR / 6)
    assert.equal(verdict.sealed.record.at, at)
    assert.equal(reasonOf(bytes, { now: verdict.until }), 'accept')
    assert.equal(reasonOf(signedScore(key, { at: NOW + HOUR / 6 }).bytes), 'accept')
    assert.equal(reasonOf(signedScore(key, { at: 0 }).bytes), 'accept')
  })

  it('blames no peer for a failure of its own', async () => {
    const { bytes } = signedScore(await keyOf(1))
    assert.equal(reasonOf(bytes, { has: undefined as never }), 'ignore unexpected')
  })

  it('never throws and never accepts bytes that nobody signed', async () => {
    const { bytes } = signedScore(await keyOf(1))
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc
        .tuple(fc.nat(bytes.length - 1), fc.uint8Array({ minLength: 1, maxLength: 40 }))
        .map(([at, insert]) =>
          Uint8Array.from([...bytes.subarray(0, at), ...insert, ...bytes.subarray(at)]),
        ),
      fc.anything({ withNullPrototype: false }).map((value) => {
        try {
          return encodeCanonical({ type: 'score', version: 1, body: value })
        } catch {
          return new Uint8Array([0xff])
        }
      }),
      fc.nat(5000).map((depth) => new Uint8Array(depth).fill(0x81)),
    )
    fc.assert(
      fc.property(hostile, (input) => {
        assert.match(
          reasonOf(input),
          /^(reject (malformed|signature|oversize)|ignore unknown-format)$/,
        )
      }),
      { numRuns: 500 },
    )
  })
})
