import assert from 'node:assert/strict'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRandom, maskKey, philox } from '../../src/random.ts'
import { bitsOf, bitsOfNumbers, blank, place } from './sample-floats.ts'

const key = maskKey(3, 'layers.0.weight')

function wordAt(i: number): number {
  const block = Math.floor(i / 4)
  return philox([block >>> 0, Math.floor(block / 2 ** 32), 0, 0], key)[i % 4]!
}

/** Rank by magnitude, the largest first, equals by index. */
function ranksOf(x: readonly number[]): number[] {
  const order = [...x.keys()].sort((a, b) => Math.abs(x[b]!) - Math.abs(x[a]!) || a - b)
  const ranks: number[] = []
  order.forEach((i, rank) => (ranks[i] = rank))
  return ranks
}

describe('kernels: ranks', () => {
  const kernels = openKernels()

  function sample(rows: number, width: number, distinct: number): Float32Array {
    const random = createRandom('rank', rows, width, distinct)
    return Float32Array.from({ length: rows * width }, () => {
      const value = random.below(distinct) - distinct / 2
      return distinct === 2 ** 32 ? value * 2 ** (random.below(200) - 130) : value
    })
  }

  for (const [rows, width] of [
    [1, 1],
    [5, 1],
    [7, 13],
    [2, 32],
    [2, 33],
    [3, 1000],
    [1, 70_001],
  ] as const) {
    it(`agree with a sort in ${rows} rows of ${width}`, () => {
      for (const distinct of [1, 5, 2 ** 32]) {
        const x = sample(rows, width, distinct)
        const ranks = blank(kernels, x.length * 4)
        kernels.rankRows(place(kernels, x), ranks, blank(kernels, width * 4), rows, width)
        const expected = Array.from({ length: rows }, (_, row) =>
          ranksOf([...x.subarray(row * width, (row + 1) * width)]),
        )
        assert.deepEqual([...ranks.u32.subarray(0, x.length)], expected.flat())
      }
    })
  }

  it('keep a band of ranks, and +0 elsewhere', () => {
    const x = Float32Array.of(-1, 5, -0, 3, 2, -7, 4)
    const [input, ranks, out] = [place(kernels, x), blank(kernels, 28), blank(kernels, 28)]
    kernels.rankRows(input, ranks, blank(kernels, 28), 1, 7)
    kernels.keepRanks(input, out, ranks, 7, 1, 4)
    assert.deepEqual(bitsOf(out.f32, 7), bitsOfNumbers([0, 5, 0, 3, 0, 0, 4]))
  })

  for (const from of [0, 3, 2 ** 34 - 5]) {
    it(`decide what stays by chance from element ${from} on as the definition does`, () => {
      const [rows, width, density, epsilon] = [6, 11, 0.5, 0.3]
      const x = sample(rows, width, 2 ** 16).map((value) => value / 2 ** 20)
      const input = place(kernels, x)
      const ranks = blank(kernels, x.length * 4)
      kernels.rankRows(input, ranks, blank(kernels, width * 4), rows, width)
      for (const byRank of [true, false]) {
        for (const kept of [undefined, 1.25]) {
          const out = blank(kernels, x.length * 4)
          kernels.keepByChance(input, out, rows, width, {
            key,
            from,
            density,
            epsilon,
            ...(byRank && { ranks }),
            ...(kept !== undefined && { kept }),
          })
          const expected = x.map((value, i) => {
            const row = x.subarray(i - (i % width), i - (i % width) + width).map(Math.abs)
            const [least, most] = [Math.min(...row), Math.max(...row)]
            const t = byRank
              ? (width - 1 - ranks.u32[i]!) / (width - 1)
              : (Math.abs(value) - least) / (most - least)
            const probability = density + epsilon * (2 * t - 1)
            if (wordAt(from + i) >= Math.floor(probability * 2 ** 32)) return 0
            return kept === undefined ? value / probability : kept * value
          })
          assert.deepEqual(bitsOf(out.f32, x.length), bitsOfNumbers([...expected]))
        }
      }
    })
  }
})

describe('kernels: masks as bits', () => {
  it('scale by the factor of each bit; 0 gives +0 and 1 keeps the bits', () => {
    const kernels = openKernels()
    const random = createRandom('bits')
    for (const count of [1, 15, 16, 33, 100]) {
      const x = Float32Array.from({ length: count }, () => random.normal())
      x[0] = -0
      const bits = blank(kernels, 16)
      for (let i = 0; i < 16; i++) bits.u8[i] = random.below(256)
      const isSet = (i: number): boolean => ((bits.u8[i >> 3]! >> (i & 7)) & 1) === 1
      for (const [set, clear] of [
        [0, 1],
        [-0.5, 1.5],
      ] as const) {
        const out = blank(kernels, count * 4)
        kernels.scaleByBits(place(kernels, x), bits, out, count, { set, clear })
        const expected = [...x].map((value, i) => {
          const factor = isSet(i) ? set : clear
          return factor === 0 ? 0 : factor * value
        })
        assert.deepEqual(bitsOf(out.f32, count), bitsOfNumbers(expected))
      }
    }
  })
})
