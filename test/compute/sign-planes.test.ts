import assert from 'node:assert/strict'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { blank, place, sampleFloats } from './sample-floats.ts'

describe('kernels: sign planes and magnitude', () => {
  const kernels = openKernels()

  for (const count of [0, 1, 7, 8, 15, 16, 23, 31, 1003, BLOCK_ELEMENTS + 29]) {
    it(`gives for ${count} elements what three passes give`, () => {
      const x = place(kernels, sampleFloats('sign planes', count))
      const bytes = Math.ceil(count / 8) + 1
      const [signs, nonzero] = [blank(kernels, bytes), blank(kernels, bytes)]
      const [expectedSigns, expectedNonzero] = [blank(kernels, bytes), blank(kernels, bytes)]
      kernels.packSigns(x, expectedSigns, count)
      kernels.packNonzero(x, expectedNonzero, count)
      const sum = kernels.signsAndMagnitude(x, signs, nonzero, count, 0.25)
      assert.equal(sum, kernels.sumMagnitudes(x, count, 0.25))
      assert.deepEqual(signs.u8, expectedSigns.u8)
      assert.deepEqual(nonzero.u8, expectedNonzero.u8)
    })
  }

  it('refuses regions that are too small', () => {
    const [x, bits] = [kernels.allocate(4096), kernels.allocate(64)]
    assert.throws(() => kernels.signsAndMagnitude(x, bits, x, 1024), { id: 'E_REGION' })
    assert.throws(() => kernels.signsAndMagnitude(x, x, bits, 1024), { id: 'E_REGION' })
    assert.throws(() => kernels.signsAndMagnitude(bits, x, x, 1024), { id: 'E_REGION' })
  })
})
