import assert from 'node:assert/strict'
import { staleKernelFiles } from '../../scripts/kernels.ts'

describe('kernels.wasm and kernels-wasm.ts', () => {
  it('are what assembly/kernels.ts compiles to', async () => {
    assert.deepEqual(await staleKernelFiles(), [])
  })
})
