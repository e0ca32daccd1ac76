import assert from 'node:assert/strict'
import type { Region } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { dtypeBytes, weightDTypes, type WeightDType } from '../../src/tensors/dtype.ts'
import { bitsOf, bitsOfNumbers, blank, place, sampleFloats, specials } from './sample-floats.ts'

/** Around a vector, around the piece of 4096 elements, and several pieces. */
const counts = [0, 1, 7, 8, 9, 4095, 4096, 4097, 9001]

describe('kernels: differences of weights', () => {
  const kernels = openKernels()
  const size = 9001

  /** Samples in a dtype, and the floats that they stand for. */
  function weights(name: string, dtype: WeightDType): { region: Region; values: Float32Array } {
    const region = kernels.allocate(size * dtypeBytes[dtype])
    kernels.narrow(dtype, place(kernels, sampleFloats(name, size, specials)), region, size)
    const wide = kernels.allocate(size * 4)
    kernels.widen(dtype, region, wide, size)
    return { region, values: wide.f32.slice(0, size) }
  }

  for (const dtype of weightDTypes) {
    const [post, base] = [weights('post', dtype), weights('base', dtype)]

    it(`subtracts ${dtype} in f32`, () => {
      for (const count of counts) {
        const out = blank(kernels, (count + 1) * 4)
        kernels.difference(dtype, post.region, base.region, out, count)
        const expected = Array.from({ length: count }, (_, i) => post.values[i]! - base.values[i]!)
        assert.deepEqual(bitsOf(out.f32, count), bitsOfNumbers(expected))
        assert.equal(out.u32[count], 0xa5a5a5a5)
      }
    })

    for (const to of weightDTypes) {
      it(`adds to ${dtype} in f32 and rounds once to ${to}`, () => {
        const delta = place(kernels, sampleFloats('delta', size, specials))
        const sums = Float32Array.from(base.values, (value, i) => value + delta.f32[i]!)
        for (const count of counts) {
          const bytes = count * dtypeBytes[to]
          const out = blank(kernels, bytes + 4)
          kernels.applied(dtype, base.region, delta, to, out, count)
          const expected = kernels.allocate(size * 4)
          kernels.narrow(to, place(kernels, sums), expected, size)
          const actual = valuesIn(to, out, count)
          assert.deepEqual(actual, valuesIn(to, expected, count))
          assert.equal(out.u8[bytes], 0xa5)
          kernels.release(expected)
        }
      })
    }
  }

  /** Whatever a NaN's bits are, it is one. */
  function valuesIn(dtype: WeightDType, region: Region, count: number): number[] {
    const wide = kernels.allocate(count * 4)
    kernels.widen(dtype, region, wide, count)
    return bitsOf(wide.f32, count)
  }

  it('refuses regions that are too small', () => {
    const [small, large] = [kernels.allocate(64), kernels.allocate(256)]
    assert.throws(() => kernels.difference('BF16', small, large, large, 33), { id: 'E_REGION' })
    assert.throws(() => kernels.difference('F32', large, large, small, 17), { id: 'E_REGION' })
    assert.throws(() => kernels.applied('BF16', large, small, 'BF16', large, 17), {
      id: 'E_REGION',
    })
    assert.throws(() => kernels.applied('BF16', large, large, 'F32', small, 17), {
      id: 'E_REGION',
    })
  })
})
