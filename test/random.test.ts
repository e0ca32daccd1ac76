import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createRandom, dropThreshold, keyOf, maskKey, philox } from '../src/random.ts'

describe('philox', () => {
  // Random123, examples/kat_vectors, philox4x32 10.
  it('gives the published vectors', () => {
    assert.deepEqual(philox([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
    const ones = 0xffffffff
    assert.deepEqual(
      philox([ones, ones, ones, ones], [ones, ones]),
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    )
    assert.deepEqual(
      philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    )
  })
})

describe('keys', () => {
  it('are the first eight bytes of SHA-256 of the parts joined by NUL', () => {
    const digest = createHash('sha256').update('mask\u00007\0layer.weight').digest()
    const expected = [digest.readUInt32LE(0), digest.readUInt32LE(4)]
    assert.deepEqual(maskKey(7, 'layer.weight'), expected)
    assert.deepEqual(keyOf('mask', 7, 'layer.weight'), expected)
  })

  it('differ when a part moves across the border', () => {
    assert.notDeepEqual(keyOf('ab', 'c'), keyOf('a', 'bc'))
  })
})

describe('dropThreshold', () => {
  it('spans nothing to everything', () => {
    assert.equal(dropThreshold(0), 0)
    assert.equal(dropThreshold(0.5), 2 ** 31)
    assert.equal(dropThreshold(0.9), 3865470566)
    assert.equal(dropThreshold(1), 2 ** 32)
  })
})

describe('createRandom', () => {
  it('reads the words of its stream in order', () => {
    const key = keyOf('stream', 'a', 1)
    const random = createRandom('a', 1)
    const words = Array.from({ length: 8 }, () => random.word())
    assert.deepEqual(words, [...philox([0, 0, 0, 0], key), ...philox([1, 0, 0, 0], key)])
  })

  it('gives the same draws for the same name and others for another', () => {
    assert.deepEqual(draws('a'), draws('a'))
    assert.notDeepEqual(draws('a'), draws('b'))
  })

  it('draws below a bound evenly', () => {
    const random = createRandom('below')
    const counts = [0, 0, 0, 0, 0]
    for (let i = 0; i < 5000; i++) counts[random.below(5)]!++
    // Five standard deviations of a binomial with n = 5000, p = 1/5.
    for (const count of counts) assert.ok(Math.abs(count - 1000) < 142, counts.join(' '))
  })

  it('draws normals of mean 0 and variance 1', () => {
    const random = createRandom('normal')
    const draws = Array.from({ length: 5000 }, () => random.normal())
    const mean = draws.reduce((sum, x) => sum + x, 0) / draws.length
    const variance = draws.reduce((sum, x) => sum + x * x, 0) / draws.length
    assert.ok(Math.abs(mean) < 0.07, `${mean}`)
    assert.ok(Math.abs(variance - 1) < 0.1, `${variance}`)
  })
})

function draws(name: string): number[] {
  const random = createRandom(name)
  return Array.from({ length: 10 }, () => random.uniform())
}
