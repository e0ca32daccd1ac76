import assert from 'node:assert/strict'
import { checkKernels } from '../../src/compute/check-kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'

describe('checkKernels', () => {
  const kernels = openKernels()
  afterEach(() => assert.equal(kernels.allocated, 0))

  it('finds nothing on a sound machine', () => {
    assert.deepEqual(checkKernels(kernels), [])
  })

  it('names the kernels that compute something else', () => {
    const broken = {
      ...kernels,
      addScaled: () => {},
      sumMagnitudes: () => 1,
    }
    assert.deepEqual(checkKernels(broken), ['addScaled', 'sumMagnitudes'])
  })
})
