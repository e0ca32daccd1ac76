import assert from 'node:assert/strict'
import { HISTOGRAM_BYTES, type Region } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRandom } from '../../src/random.ts'
import { bitsOf, bitsOfNumbers, blank, place, sampleFloats, specials } from './sample-floats.ts'

const magnitudeOf = (bits: number) => bits & 0x7fffffff

describe('kernels: order statistics of magnitudes', () => {
  const kernels = openKernels()
  // Few distinct values, so that ties are common, as in differences of bf16 weights.
  const random = createRandom('ties')
  const x = Float32Array.from({ length: 1003 }, () => (random.below(21) - 10) / 8)
  const bits = new Uint32Array(x.buffer)
  const input = place(kernels, x)

  for (const ties of [0, 1, 2, 9, 2 ** 40]) {
    it(`keeps what is above a threshold and the first ${ties} ties`, () => {
      for (const count of [0, 1, 5, 64, 1003]) {
        const threshold = magnitudeOf(new Uint32Array(Float32Array.of(0.5).buffer)[0]!)
        let left = ties
        const expected = Array.from({ length: count }, (_, i) => {
          const magnitude = magnitudeOf(bits[i]!)
          if (magnitude > threshold) return bits[i]!
          return magnitude === threshold && left-- > 0 ? bits[i]! : 0
        })
        const used = ties - Math.max(left, 0)
        const out = blank(kernels, 1004 * 4)
        assert.equal(kernels.keepLargest(input, out, count, threshold, ties), used)
        assert.deepEqual([...out.u32.subarray(0, count)], expected)
        assert.equal(out.u32[count], 0xa5a5a5a5)
      }
    })
  }

  it('counts a magnitude whatever the sign', () => {
    for (const count of [0, 3, 1003]) {
      for (const value of [0, 0.5, 1.25, 7]) {
        const magnitude = new Uint32Array(Float32Array.of(value).buffer)[0]!
        const expected = x.subarray(0, count).filter((each) => Math.abs(each) === value).length
        assert.equal(kernels.countMagnitude(input, count, magnitude), expected)
      }
    }
  })

  it('finds the largest magnitude', () => {
    for (const count of [0, 1, 3, 4, 1003]) {
      const largest = x.subarray(0, count).reduce((max, v) => Math.max(max, Math.abs(v)), 0)
      assert.equal(kernels.largestMagnitude(input, count), bitsOfNumbers([largest])[0])
    }
  })

  it('finds the k-th largest magnitude in two histograms', () => {
    const values = sampleFloats('radix', 5003, specials.slice(0, -1))
    const region = place(kernels, values)
    const sorted = [...new Uint32Array(values.buffer)].map(magnitudeOf).sort((a, b) => b - a)
    for (const k of [1, 2, 500, 2501, 5003]) {
      let rank = k
      const take = (counts: Region, bins: number): number => {
        let bin = bins - 1
        for (; rank > countIn(counts, bin); bin--) rank -= countIn(counts, bin)
        return bin
      }
      const [first, second] = [histogram(0), histogram(0)]
      kernels.histogramHigh(region, 5003, first)
      const high = take(first, 65_536)
      kernels.histogramLow(region, 5003, high, second)
      assert.equal(high * 32_768 + take(second, 32_768), sorted[k - 1])
    }
  })

  it('counts every bin of both histograms and adds to what is there', () => {
    for (const count of [0, 1, 2, 3, 503]) {
      const some = [...bits.subarray(0, count)].map(magnitudeOf)
      const highs = Array.from({ length: 65_536 }, () => 14)
      const counts = histogram(7)
      for (const each of some) highs[each >>> 15]!++
      kernels.histogramHigh(input, count, counts)
      assert.deepEqual(
        highs.map((_, bin) => countIn(counts, bin)),
        highs,
      )
      const high = magnitudeOf(bits[0]!) >>> 15
      const lows = Array.from({ length: 32_768 }, () => 14)
      const rest = histogram(7)
      for (const each of some) if (each >>> 15 === high) lows[each & 0x7fff]!++
      kernels.histogramLow(input, count, high, rest)
      assert.deepEqual(
        lows.map((_, bin) => countIn(rest, bin)),
        lows,
      )
    }
  })

  it('refuses a table that is too small', () => {
    const small = kernels.allocate(HISTOGRAM_BYTES / 2)
    assert.throws(() => kernels.histogramHigh(input, 1, small), { id: 'E_REGION' })
    assert.throws(() => kernels.histogramLow(input, 1, 0, small), { id: 'E_REGION' })
    assert.throws(() => kernels.histogramSlots(input, 1, small, 9, small), { id: 'E_REGION' })
  })

  function histogram(each: number): Region {
    const counts = kernels.allocate(HISTOGRAM_BYTES)
    counts.u32.fill(each)
    return counts
  }

  function countIn(counts: Region, bin: number): number {
    return counts.u32[bin]! + counts.u32[bin + 65_536]!
  }
})

describe('kernels: sign election', () => {
  const kernels = openKernels()
  const { fround } = Math
  const zeros = [0, -0, 1, -1, 0.5]

  function expected(
    inputs: readonly Float32Array[],
    i: number,
    o: {
      weights: number[]
      weighted: boolean
      zeroSign: 1 | -1
      normalize: boolean
      lambda: number
    },
  ): number {
    const voters = inputs.map((x, n) =>
      o.weighted ? fround(fround(o.weights[n]!) * x[i]!) : x[i]!,
    )
    const vote = voters.reduce((sum, v) => fround(sum + v), 0)
    const sign = vote > 0 ? 1 : vote < 0 ? -1 : o.zeroSign
    let sum = 0
    let share = 0
    voters.forEach((voter, n) => {
      if (Math.sign(voter) !== sign) return
      sum = fround(sum + fround(fround(o.weights[n]!) * inputs[n]![i]!))
      share = fround(share + fround(o.weights[n]!))
    })
    if (o.normalize) sum = fround(sum / (Math.abs(share) < fround(1e-8) ? 1 : share))
    return fround(fround(o.lambda) * sum)
  }

  for (const weighted of [true, false]) {
    for (const zeroSign of [1, -1] as const) {
      for (const normalize of [true, false]) {
        it(`merges with weighted ${weighted}, zeroSign ${zeroSign}, normalize ${normalize}`, () => {
          for (const weights of [[1], [0.3, 0.7], [1, -0.4, 2], [1, 1, 1, 1, -4]]) {
            const inputs = weights.map((_, n) => sampleFloats(`elect ${n}`, 203, zeros))
            const options = { weights, weighted, zeroSign, normalize, lambda: 0.9 }
            for (const count of [0, 1, 8, 13, 203]) {
              const out = blank(kernels, 204 * 4)
              const regions = inputs.map((x) => place(kernels, x))
              kernels.electAndMerge(regions, out, count, options)
              const values = Array.from({ length: count }, (_, i) => expected(inputs, i, options))
              assert.deepEqual(bitsOf(out.f32, count), bitsOfNumbers(values))
              assert.equal(out.u32[count], 0xa5a5a5a5)
            }
          }
        })
      }
    }
  }

  it('lets zeroSign decide where the sum is 0', () => {
    const inputs = [place(kernels, Float32Array.of(2)), place(kernels, Float32Array.of(-2))]
    const out = kernels.allocate(4)
    const options = { weights: [1, 1], weighted: false, normalize: true, lambda: 1 }
    kernels.electAndMerge(inputs, out, 1, { ...options, zeroSign: 1 })
    assert.equal(out.f32[0], 2)
    kernels.electAndMerge(inputs, out, 1, { ...options, zeroSign: -1 })
    assert.equal(out.f32[0], -2)
  })

  it('refuses inputs without a weight each', () => {
    const x = kernels.allocate(4)
    const options = { weighted: true, zeroSign: 1, normalize: true, lambda: 1 } as const
    assert.throws(() => kernels.electAndMerge([x], x, 1, { ...options, weights: [] }), {
      id: 'E_INPUTS',
    })
  })
})
