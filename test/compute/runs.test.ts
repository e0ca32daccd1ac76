import assert from 'node:assert/strict'
import { doublesOf } from '../../src/compute/doubles-of.ts'
import { runsTouched } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { createRandom } from '../../src/random.ts'
import { blank, place } from './sample-floats.ts'

describe('kernels: runs and columns', () => {
  const kernels = openKernels()
  const random = createRandom('runs')
  const x = Float32Array.from({ length: 3001 }, () => (random.below(17) - 8) / 4)
  const input = place(kernels, x)

  /** The number of the run, or the column, of the element `i` behind a position. */
  const runOf = (i: number, column: number, columns: number, run: number): number => {
    const perRow = Math.ceil(columns / run)
    const of = (at: number) => Math.floor(at / columns) * perRow + Math.floor((at % columns) / run)
    return of(column + i) - of(column)
  }

  for (const [column, columns, run] of [
    [0, 3001, 3001],
    [0, 64, 64],
    [5, 64, 16],
    [63, 64, 16],
    [100, 333, 50],
    [0, 1, 1],
  ] as const) {
    const at = { column, columns, run }

    it(`sums and fills runs of ${run} in rows of ${columns} from column ${column} on`, () => {
      for (const count of [0, 1, 17, 1000, 3001]) {
        const runs = count === 0 ? 0 : runOf(count - 1, column, columns, run) + 1
        assert.equal(runsTouched(count, at), runs)
        const sums = kernels.allocate((runs + 1) * 16)
        doublesOf(sums).fill(1)
        kernels.sumRuns(input, count, at, sums)
        // Quarters add up without rounding, so order does not matter here.
        const expected = new Float64Array(2 * runs + 2).fill(1)
        for (const [i, value] of x.subarray(0, count).entries()) {
          const pair = 2 * runOf(i, column, columns, run)
          expected[pair]! += Math.abs(value)
          expected[pair + 1]! += Number(value !== 0)
        }
        assert.deepEqual(doublesOf(sums).subarray(0, 2 * runs + 2), expected)

        const scales = place(
          kernels,
          Float32Array.from({ length: runs + 1 }, (_, i) => i + 1),
        )
        const out = blank(kernels, 3002 * 4)
        kernels.fillRuns(scales, out, count, at)
        for (let i = 0; i < count; i++) {
          assert.equal(out.f32[i], runOf(i, column, columns, run) + 1)
        }
        assert.equal(out.u32[count], 0xa5a5a5a5)
      }
    })

    it(`sums and fills columns of rows of ${columns} from column ${column} on`, () => {
      for (const count of [0, 1, 17, 3001]) {
        const sums = kernels.allocate(columns * 16)
        doublesOf(sums).fill(0)
        kernels.sumColumns(input, count, at, sums)
        const expected = new Float64Array(2 * columns)
        const scales = place(
          kernels,
          Float32Array.from({ length: columns }, (_, i) => i + 1),
        )
        const out = blank(kernels, 3002 * 4)
        kernels.fillColumns(scales, out, count, at)
        for (const [i, value] of x.subarray(0, count).entries()) {
          const own = (column + i) % columns
          expected[2 * own]! += Math.abs(value)
          expected[2 * own + 1]! += Number(value !== 0)
          assert.equal(out.f32[i], own + 1)
        }
        assert.deepEqual(doublesOf(sums).subarray(0, 2 * columns), expected)
        assert.equal(out.u32[count], 0xa5a5a5a5)
      }
    })
  }

  it('refuses regions that are too short', () => {
    const [short, long] = [kernels.allocate(64), kernels.allocate(4096)]
    const at = { column: 0, columns: 64, run: 1 }
    assert.throws(() => kernels.sumRuns(long, 64, at, short), InvalidInputError)
    assert.throws(() => kernels.sumColumns(long, 64, at, short), InvalidInputError)
    assert.throws(() => kernels.fillRuns(short, long, 64, at), InvalidInputError)
    assert.throws(() => kernels.fillColumns(long, short, 64, at), InvalidInputError)
  })
})
