import assert from 'node:assert/strict'
import { createLease } from '../../src/compute/lease.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'

describe('a lease', () => {
  const kernels = openKernels()

  it('ends what it holds, the last first, and nothing twice', async () => {
    const lease = createLease(kernels)
    const ended: string[] = []
    lease.take(100)
    lease.defer(async () => ended.push('first'))
    lease.defer(() => ended.push('second'))
    await lease.release()
    await lease.release()
    assert.deepEqual(ended, ['second', 'first'])
    assert.equal(kernels.allocated, 0)
  })

  it('gives everything back when a reader cannot be closed, and throws what that threw', async () => {
    const lease = createLease(kernels)
    lease.take(100)
    lease.defer(() => Promise.reject(new Error('the second failure')))
    lease.take(100)
    lease.defer(() => {
      throw new Error('the first failure')
    })
    await assert.rejects(lease.release(), /the first failure/)
    assert.equal(kernels.allocated, 0)
  })
})
