import assert from 'node:assert/strict'
import { operator as breadcrumbs } from '../../src/operators/breadcrumbs.ts'
import { modes } from '../../src/operators/index.ts'
import { createRandom } from '../../src/random.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { bits, runOnTensor, type RunOptions } from '../support/run-operator.ts'

const upToTen = Float32Array.from({ length: 10 }, (_, i) => i + 1)

async function kept(
  values: readonly number[] | Float32Array,
  parameters: object,
  options: RunOptions & { shape?: readonly number[] } = {},
): Promise<number[]> {
  const given = { over: 'tensor', ...parameters }
  const out = await runOnTensor(breadcrumbs, [values], { ...options, parameters: given })
  return [...out].filter((value) => value !== 0)
}

describe('breadcrumbs', () => {
  it('keeps the next after the largest, in every mode', async () => {
    for (const mode of modes) {
      for (const over of ['tensor', 'row']) {
        const options = { mode, shape: [1, 10] }
        const parameters = { density: 0.5, gamma: 0.2, over }
        assert.deepEqual(await kept(upToTen, parameters, options), [4, 5, 6, 7, 8])
        // mergekit 0.1.4 itself gives all zeros for both.
        for (const gamma of [0, 0.01]) {
          const all = await kept(upToTen, { ...parameters, gamma }, options)
          assert.deepEqual(all, [6, 7, 8, 9, 10])
        }
      }
    }
  })

  it('passes over fewer where both shares are more than all', async () => {
    assert.deepEqual(await kept(upToTen, { density: 0.9, gamma: 0.5 }), [1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert.deepEqual(await kept(upToTen, { density: 1, gamma: 1 }), [...upToTen])
    assert.deepEqual(await kept(upToTen, { density: 0, gamma: 0.5 }), [])
  })

  it('counts the lowest index of equals as larger', async () => {
    for (const over of ['tensor', 'row']) {
      const x = [-1, 1, 1, -1, 1]
      const out = await runOnTensor(breadcrumbs, [x], {
        shape: [1, 5],
        parameters: { density: 0.4, gamma: 0.2, over },
      })
      assert.deepEqual([...out], [0, 1, 1, 0, 0])
    }
  })

  it('agrees with a sort, within tensors and within rows', async () => {
    const random = createRandom('breadcrumbs')
    const width = 999
    const shape = [2 * Math.ceil(BLOCK_ELEMENTS / width), width]
    const x = Float32Array.from({ length: shape[0]! * width }, () => random.below(5000) - 2500)
    for (const over of ['tensor', 'row']) {
      const parameters = { density: 0.3, gamma: 0.15, over }
      const out = await runOnTensor(breadcrumbs, [x], { shape, parameters, chunkBlocks: 1 })
      const each = over === 'row' ? width : x.length
      const expected = new Float32Array(x.length)
      for (let from = 0; from < x.length; from += each) {
        const part = x.subarray(from, from + each)
        const order = [...part.keys()].sort(
          (a, b) => Math.abs(part[b]!) - Math.abs(part[a]!) || a - b,
        )
        const skip = Math.floor(0.15 * each)
        for (const i of order.slice(skip, skip + Math.floor(0.3 * each))) {
          expected[from + i] = part[i]!
        }
      }
      assert.deepEqual(bits(out), bits(expected))
    }
  })
})
