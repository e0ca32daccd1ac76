import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createPublicKey, verify } from 'node:crypto'
import * as fc from 'fast-check'
import { announcement } from '../../protocol/formats/announcement.ts'
import { score } from '../../protocol/formats/score.ts'
import { peerIdOf, publicNetworkId } from '../../protocol/signature.ts'
import { decodeCanonical, encodeCanonical } from '../../src/canonical.ts'
import { anAnnouncement, aScore, keyOf, NOW, signedAnnouncement, signedScore } from './fixtures.ts'

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/records.json', import.meta.url), 'utf8'),
) as {
  networkId: string
  author: string
  peer: string
  records: { type: 'announcement' | 'score'; id: string; bytes: string; seq: number; at: number }[]
}
const formats = { announcement, score }
const otherNetwork = new Uint8Array(32).fill(9)
const signing = async () => ({ key: await keyOf(7), seq: 1, at: NOW, networkId: publicNetworkId })

describe('signed records', () => {
  it('keep the bytes and ids of the golden vectors', async () => {
    const key = await keyOf(7)
    assert.equal(Buffer.from(publicNetworkId).toString('hex'), vectors.networkId)
    assert.equal(Buffer.from(key.publicKey.raw).toString('hex'), vectors.author)
    assert.equal(peerIdOf(key.publicKey.raw), vectors.peer)
    assert.equal(vectors.records.length, 2)
    const made = [signedAnnouncement(key), signedScore(key, { seq: 3 })]
    for (const [i, { type, id, bytes, seq, at }] of vectors.records.entries()) {
      assert.equal(Buffer.from(made[i]!.bytes).toString('hex'), bytes)
      assert.equal(made[i]!.id.toString(), id)
      const opened = formats[type].open(Buffer.from(bytes, 'hex'), publicNetworkId)
      assert.equal(opened.id.toString(), id)
      assert.deepEqual(opened.record.body, made[i]!.record.body)
      assert.deepEqual([opened.record.seq, opened.record.at], [seq, at])
    }
  })

  it('are signed over domain, NUL, network id and the record without its signature', async () => {
    const { bytes, record } = signedScore(await keyOf(1))
    const { signature, ...unsigned } = decodeCanonical(bytes) as { signature: Uint8Array }
    const message = Buffer.concat([
      Buffer.from('deltaswarm/score/1\0'),
      publicNetworkId,
      encodeCanonical(unsigned),
    ])
    const x = Buffer.from(record.author).toString('base64url')
    const key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } })
    assert.ok(verify(null, message, key, signature))
  })

  it('name their author by its peer id', async () => {
    const key = await keyOf(3)
    assert.equal(peerIdOf(signedScore(key).record.author), key.publicKey.toString())
  })

  it('give back what was signed', async () => {
    const number = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
    const options = await signing()
    fc.assert(
      fc.property(fc.array(number, { maxLength: 32 }), fc.nat(), (values, shard) => {
        const sealed = score.sign({ ...aScore, values, shard }, options)
        const { record } = score.open(sealed.bytes, publicNetworkId)
        assert.deepEqual(record.body, { ...aScore, values, shard })
      }),
      { numRuns: 50 },
    )
  })

  it('are refused after any change of one byte', async () => {
    const { bytes } = signedScore(await keyOf(1))
    for (const [i, byte] of bytes.entries()) {
      const altered = Uint8Array.from(bytes)
      altered[i] = byte ^ (1 << (i % 8))
      assert.throws(() => score.open(altered, publicNetworkId), {
        name: /^(MalformedError|VerificationError)$/,
      })
    }
  })

  it('mean nothing in another network', async () => {
    const { bytes } = signedScore(await keyOf(1), { networkId: otherNetwork })
    assert.throws(() => score.open(bytes, publicNetworkId), { id: 'E_BAD_SIGNATURE' })
    assert.equal(score.open(bytes, otherNetwork).record.seq, 1)
  })

  it('are refused with a further field, a missing field or a wrong type', async () => {
    const { bytes } = signedScore(await keyOf(1))
    const value = decodeCanonical(bytes) as Record<string, unknown>
    const { seq: _, ...withoutSeq } = value
    for (const wrong of [
      { ...value, extra: 1 },
      withoutSeq,
      { ...value, seq: -1 },
      { ...value, seq: 1.5 },
      { ...value, author: new Uint8Array(31) },
      { ...value, body: null },
      { ...value, type: 'announcement' },
    ]) {
      assert.throws(() => score.open(encodeCanonical(wrong), publicNetworkId), {
        id: 'E_BAD_RECORD',
      })
    }
  })

  it('are refused above their size before they are decoded', () => {
    assert.throws(() => score.open(new Uint8Array(8193), publicNetworkId), { id: 'E_RECORD_SIZE' })
  })

  it('carry at most 32 values', async () => {
    const options = await signing()
    const body = { ...aScore, values: Array<number>(33).fill(0) }
    assert.throws(() => score.sign(body, options), { id: 'E_RECORD_BODY' })
    const outside = { ...aScore, values: [2 ** 31] }
    assert.throws(() => score.sign(outside, options), { id: 'E_RECORD_BODY' })
  })

  it('carry no text that could forge a line or turn its direction', async () => {
    const options = await signing()
    for (const name of ['a\nb', '\u001b[2J', 'abc\u202egnp', 'x'.repeat(129), '\ud800']) {
      assert.throws(() => announcement.sign({ ...anAnnouncement, name }, options), {
        id: 'E_RECORD_BODY',
      })
    }
    const name = 'Größe 日本語 🙂'
    const sealed = announcement.sign({ ...anAnnouncement, name }, options)
    assert.equal(announcement.open(sealed.bytes, publicNetworkId).record.body.name, name)
  })
})
