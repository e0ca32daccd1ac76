import assert from 'node:assert/strict'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createOrderStatistics, orderStatisticsBytes } from '../../src/compute/order-statistics.ts'
import { createRandom } from '../../src/random.ts'
import { place, sampleFloats, specials } from './sample-floats.ts'

describe('order statistics', () => {
  const kernels = openKernels()

  function statisticsOf(values: Float32Array, ranks: readonly number[]) {
    const table = kernels.allocate(orderStatisticsBytes(ranks.length))
    table.u8.fill(0xa5)
    const region = place(kernels, values)
    const statistics = createOrderStatistics(kernels, table, ranks)
    while (!statistics.done) {
      statistics.scan(region, values.length)
      statistics.endPass()
    }
    for (const used of [table, region]) kernels.release(used)
    return statistics.value()
  }

  it('are the elements of a sorted list, with the rank among equals', () => {
    const few = createRandom('few')
    for (const values of [
      sampleFloats('order', 5003, specials.slice(0, -1)),
      Float32Array.from({ length: 999 }, () => (few.below(9) - 4) / 2),
      new Float32Array(100),
      Float32Array.of(3),
    ]) {
      const sorted = [...new Uint32Array(values.slice().buffer)]
        .map((bits) => bits & 0x7fffffff)
        .sort((a, b) => b - a)
      const expected = (rank: number) => {
        const magnitude = sorted[rank]!
        const [first, last] = [sorted.indexOf(magnitude), sorted.lastIndexOf(magnitude)]
        return { magnitude, equals: last - first + 1, equalsBefore: rank - first }
      }
      // One rank, two, and more than one pass has tables for.
      const many = [0, 1, 2, ...Array.from({ length: 60 }, (_, i) => 83 * i + 20), 5002]
      for (const wanted of [[0], [17], [0, 90], many]) {
        const ranks = wanted.filter((rank) => rank < values.length)
        assert.deepEqual(statisticsOf(values, ranks), ranks.map(expected))
      }
    }
  })

  it('find nothing behind the last element', () => {
    const [last, none] = statisticsOf(Float32Array.of(1, -2), [1, 2])
    assert.deepEqual(last, { magnitude: 0x3f800000, equals: 1, equalsBefore: 0 })
    assert.equal(none, undefined)
    assert.deepEqual(statisticsOf(Float32Array.of(1), []), [])
  })
})
