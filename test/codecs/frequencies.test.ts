import assert from 'node:assert/strict'
import { createBitReader, createBitWriter } from '../../src/codecs/sections/bit-stream.ts'
import {
  costOf,
  quantiseCounts,
  readFrequencies,
  writeFrequencies,
} from '../../src/codecs/sections/frequencies.ts'
import { log2 } from '../../src/codecs/sections/log2.ts'
import { pseudoRandom } from './numbers.ts'

describe('frequencies', () => {
  const random = pseudoRandom(11)

  it('are stored and read as they are, for any counts, bits and precision', () => {
    for (let attempt = 0; attempt < 300; attempt++) {
      const density = random()
      const skew = 1 + random() * 8
      const counts = Uint32Array.from({ length: 256 }, () =>
        random() < density ? random() ** skew * 10_000 : 0,
      )
      counts[Math.floor(random() * 256)]! += 5
      for (const bits of [12, 16]) {
        for (const precision of [0, 1, 3, 15]) {
          const frequencies = quantiseCounts(counts, bits, precision)
          if (frequencies.values.every((value) => value === 0)) continue
          const writer = createBitWriter()
          writeFrequencies(writer, frequencies)
          const reader = createBitReader(writer.bytes())
          assert.deepEqual(readFrequencies(reader, bits, precision), frequencies)
          assert.equal(reader.used, writer.bytes().length)
          const sum = frequencies.values.reduce((total, value) => total + value, 0)
          assert.equal(sum, 2 ** bits)
          assert.ok(frequencies.values.every((value, i) => value > 0 === counts[i]! > 0))
        }
      }
    }
  })

  it('cost the bits that a symbol takes', () => {
    const counts = new Uint32Array(256)
    counts[0] = 3000
    counts[1] = 1000
    const bits = costOf(counts, quantiseCounts(counts, 12, 8))
    const entropy = 3000 * Math.log2(4 / 3) + 1000 * Math.log2(4)
    assert.ok(Math.abs(bits - entropy) < 1e-3 * entropy)
  })

  it('leave the commonest something, however the others round', () => {
    for (let alike = 1; alike <= 256; alike++) {
      for (const rare of [0, 256 - alike]) {
        const counts = new Uint32Array(256).fill(1e6, 0, alike).fill(1, alike, alike + rare)
        for (const precision of [0, 1, 2, 3, 5]) {
          const { values } = quantiseCounts(counts, 12, precision)
          const sum = values.reduce((total, value) => total + value, 0)
          assert.equal(sum, 4096)
          assert.ok(values.every((value, i) => value > 0 === counts[i]! > 0))
        }
      }
    }
  })
})

describe('log2 without libm', () => {
  it('is within 2⁻¹⁰ of the logarithm, and exact for powers of two', () => {
    for (let n = 1; n <= 65_536; n += 1 + (n >> 6)) {
      assert.ok(Math.abs(log2(n) - Math.log2(n)) < 2 ** -10, String(n))
    }
    for (let k = 0; k <= 16; k++) assert.equal(log2(2 ** k), k)
  })
})
