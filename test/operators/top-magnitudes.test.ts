import assert from 'node:assert/strict'
import type { Kernels, Region } from '../../src/compute/kernels.ts'
import { largestSearchBytes } from '../../src/compute/largest.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createTrim, type Selection } from '../../src/operators/statistics/selection.ts'
import { topMagnitudes, type TopMagnitudes } from '../../src/operators/statistics/top-magnitudes.ts'
import type { TensorSpec } from '../../src/tensors/tensor.ts'

describe('largest magnitudes', () => {
  const kernels = openKernels()
  const table = kernels.allocate(largestSearchBytes(1))
  const tensors = {
    a: [0, 2, -2, 1, 3],
    b: [2, 0.5, -2, 2, 0],
  } as const

  function select(options: TopMagnitudes, names: readonly (keyof typeof tensors)[]): Selection {
    const { passes, start } = topMagnitudes(options)
    const elements = names.reduce((sum, name) => sum + tensors[name].length, 0)
    const fold = start({ kernels, inputs: 1, elements, scratch: [], tables: [table] })
    for (let pass = 0; pass < passes; pass++) {
      for (const name of names) {
        fold.scan(pass, specOf(name), [regionOf(name)], 0, tensors[name].length)
      }
      fold.endPass(pass)
    }
    return fold.value()[0]!
  }

  function kept(selection: Selection, name: keyof typeof tensors): number[] {
    const { length } = tensors[name]
    const out = kernels.allocate(length * 4)
    createTrim(kernels, selection, name)(regionOf(name), out, length)
    return [...out.f32.subarray(0, length)]
  }

  function specOf(name: keyof typeof tensors): TensorSpec {
    return { name, dtype: 'F32', shape: [tensors[name].length] }
  }

  function regionOf(name: keyof typeof tensors): Region {
    const region = kernels.allocate(tensors[name].length * 4)
    region.f32.set(tensors[name])
    return region
  }

  it('hand out ties in the order of tensors and elements', () => {
    const selection = select({ over: 'all', density: 0.4 }, ['a', 'b'])
    assert.deepEqual(kept(selection, 'a'), [0, 2, -2, 0, 3])
    assert.deepEqual(kept(selection, 'b'), [2, 0, 0, 0, 0])
  })

  it('are each tensor’s own when tensors stand for themselves', () => {
    const own = (name: 'a' | 'b') => select({ over: 'tensor', density: 0.4 }, [name])
    assert.deepEqual(kept(own('a'), 'a'), [0, 2, 0, 0, 3])
    assert.deepEqual(kept(own('b'), 'b'), [2, 0, -2, 0, 0])
  })

  it('are one more, and all of its equals, for the authors’ code', () => {
    const selection = select({ over: 'all', density: 0.4, inclusive: true }, ['a', 'b'])
    assert.deepEqual(kept(selection, 'a'), [0, 2, -2, 0, 3])
    assert.deepEqual(kept(selection, 'b'), [2, 0, -2, 2, 0])
  })

  it('are found among more elements than 32 bits can count', () => {
    const chunk = 2 ** 31
    const counting = (counts: Region, bins: Readonly<Record<number, number>>): void => {
      for (const [bin, n] of Object.entries(bins)) counts.u32[Number(bin)]! += n
    }
    const stub = {
      histogramHigh: (_x, _n, counts) => counting(counts, { 300: 10, 5: chunk - 10 }),
      histogramLow: (_x, _n, high, counts) => {
        assert.equal(high, 5)
        counting(counts, { 9: chunk - 20, 8: 10 })
      },
    } satisfies Partial<Kernels> as unknown as Kernels
    // One chunk has 10 elements in bin 300, all of the others but 10 share one magnitude in bin 5.
    const { start } = topMagnitudes({ over: 'tensor', density: 0.5 })
    const elements = 4 * chunk
    const fold = start({ kernels: stub, inputs: 1, elements, scratch: [], tables: [table] })
    for (let pass = 0; pass < 2; pass++) {
      for (let i = 0; i < 4; i++) fold.scan(pass, specOf('a'), [table], i * chunk, chunk)
      fold.endPass(pass)
    }
    const [selection] = fold.value()
    assert.equal(selection!.threshold, 5 * 2 ** 15 + 9)
    assert.equal(selection!.ties('a'), 2 * chunk - 40)
  })
})
