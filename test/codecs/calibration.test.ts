import assert from 'node:assert/strict'
import { calibrationOf, MAX_ACTIVATION_BYTES } from '../../src/codecs/scales/calibration.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import type { DType } from '../../src/tensors/dtype.ts'
import { memoryCheckpoint } from '../checkpoints/memory.ts'

/** A file whose header says this and whose bytes must not be read. */
function header(name: string, dtype: DType, shape: readonly number[]): Checkpoint {
  return {
    tensors: new Map([[name, { name, dtype, shape }]]),
    read: () => Promise.reject(new Error('read before it was checked')),
  }
}

describe('a file of activations', () => {
  const kernels = openKernels()
  const model = memoryCheckpoint({
    weight: ['F32', [3, 2], new Float32Array(6)],
    patch: ['F32', [2, 1, 2, 2], new Float32Array(8)],
    bias: ['F32', [3], new Float32Array(3)],
  }).tensors

  it('gives the inputs of a weight as f32, whatever their dtype', async () => {
    const file = memoryCheckpoint({
      weight: ['BF16', [2, 2], Uint16Array.of(0x3f80, 0xbf80, 0x4000, 0)],
      patch: ['F32', [1, 4], Float32Array.of(1, 2, 3, 4)],
    })
    const calibration = calibrationOf(file, model, kernels)
    const of = async (name: string) => {
      const found = await calibration(name)
      return found && [found.rows, [...found.activations]]
    }
    assert.deepEqual(await of('weight'), [2, [1, -1, 2, 0]])
    assert.deepEqual(await of('patch'), [1, [1, 2, 3, 4]])
    assert.equal(await of('bias'), undefined)
    assert.equal(kernels.allocated, 0)
  })

  const tooMany = MAX_ACTIVATION_BYTES / 8 + 1
  for (const [what, file, actual] of [
    ['a name that the model lacks', header('weights', 'F32', [1, 2]), 'weights'],
    ['inputs of another width', header('weight', 'F32', [2, 3]), '[2, 3]'],
    ['another rank', header('weight', 'F32', [2]), '[2]'],
    ['no sample at all', header('weight', 'F32', [0, 2]), '[0, 2]'],
    ['integers', header('weight', 'I32', [1, 2]), 'I32'],
    ['inputs of a bias', header('bias', 'F32', [1, 3]), '[3]'],
    ['more than memory is meant for', header('weight', 'F16', [tooMany, 2]), 8 * tooMany],
  ] as const) {
    it(`is refused before it is read when it holds ${what}`, () => {
      assert.throws(() => calibrationOf(file, model, kernels), { id: 'E_CALIBRATION', actual })
    })
  }
})
