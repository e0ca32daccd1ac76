import assert from 'node:assert/strict'
import { doublesOf } from '../../src/compute/doubles-of.ts'
import { BLOCK_SUMS_BYTES, NO_BORDER } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { createRandom } from '../../src/random.ts'
import { blank, place } from './sample-floats.ts'

describe('kernels: blocks of magnitudes', () => {
  const kernels = openKernels()
  const random = createRandom('blocks')
  const x = Float32Array.from({ length: 2003 }, () => (random.below(33) - 16) / 8)
  const input = place(kernels, x)
  const bitsOf = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0]!
  const indexes = kernels.allocate(2048)

  it('assigns by borders, and ties in the order of their index', () => {
    const borders = [0, 0.25, 0.25, 0.25, 1, 1.5]
    const ties = [3, 5, 7, 2, 0, 4]
    for (const count of [0, 1, 100, 2003]) {
      const table = {
        blocks: 8,
        borders: kernels.allocate(28),
        ties: kernels.allocate(28),
      }
      table.borders.u32.fill(NO_BORDER)
      table.borders.u32.set(borders.map(bitsOf))
      table.ties.u32.fill(0)
      table.ties.u32.set(ties)
      const left = [...ties]
      const expected = Array.from(x.subarray(0, count), (value) => {
        const magnitude = Math.abs(value)
        let block = 0
        for (; block < borders.length && borders[block]! <= magnitude; block++) {
          if (borders[block] === magnitude && left[block]! > 0) {
            left[block]!--
            break
          }
        }
        return block
      })
      indexes.u8.fill(0xa5)
      // In two calls, which use the ties up together.
      const half = (count >> 3) << 2
      kernels.assignBlocks(input, indexes, half, table)
      const rest = place(kernels, x.subarray(half, count))
      const after = kernels.allocate(2048)
      kernels.assignBlocks(rest, after, count - half, table)
      indexes.u8.set(after.u8.subarray(0, count - half), half)
      assert.deepEqual([...indexes.u8.subarray(0, count)], expected)
      assert.equal(indexes.u8[count], 0xa5)
      assert.deepEqual([...table.ties.u32.subarray(0, ties.length)], left)
    }
  })

  it('sums by index and looks values up', () => {
    for (let i = 0; i < 2003; i++) indexes.u8[i] = random.below(256)
    const sums = kernels.allocate(BLOCK_SUMS_BYTES)
    for (const [sum, of] of [
      ['sumBlocks', (value: number) => value],
      ['sumMagnitudeBlocks', Math.abs],
    ] as const) {
      const expected = new Float64Array(512)
      for (const [i, value] of x.entries()) {
        expected[2 * indexes.u8[i]!]! += of(value)
        expected[2 * indexes.u8[i]! + 1]! += 1
      }
      doublesOf(sums).fill(0)
      kernels[sum](input, indexes, 2003, sums)
      assert.deepEqual(doublesOf(sums).slice(0, 512), expected)
    }
    const values = place(
      kernels,
      Float32Array.from({ length: 256 }, (_, i) => i / 3),
    )
    const out = blank(kernels, 2004 * 4)
    const highest = kernels.lookUpBlocks(indexes, values, out, 2003)
    assert.equal(highest, Math.max(...indexes.u8.subarray(0, 2003)))
    assert.ok(out.f32.subarray(0, 2003).every((v, i) => v === Math.fround(indexes.u8[i]! / 3)))
    assert.equal(out.u32[2003], 0xa5a5a5a5)
  })

  it('codes blocks with the sign of their element', () => {
    const codes = kernels.allocate(256)
    for (let i = 0; i < 256; i++) codes.u8[i] = (i * 7) & 31
    for (let i = 0; i < 2003; i++) indexes.u8[i] = random.below(16)
    const before = indexes.u8.slice(0, 2003)
    kernels.signCodes(input, indexes, codes, 2003, 5)
    for (const [i, value] of x.entries()) {
      const code = (before[i]! * 7) & 31
      assert.equal(indexes.u8[i], value < 0 ? code ^ 31 : code)
    }
  })

  it('refuses regions that are too short', () => {
    const short = kernels.allocate(64)
    const table = { blocks: 32, borders: short, ties: short }
    assert.throws(() => kernels.assignBlocks(input, indexes, 16, table), InvalidInputError)
    assert.throws(() => kernels.sumBlocks(input, indexes, 16, short), InvalidInputError)
    assert.throws(() => kernels.lookUpBlocks(indexes, short, input, 16), InvalidInputError)
  })
})
