import assert from 'node:assert/strict'
import { staleKernelFiles } from '../../scripts/kernels.ts'
import { kernelsWasm } from '../../src/compute/kernels-wasm.ts'

const DATA_SECTION = 11

describe('kernels.wasm and kernels-wasm.ts', () => {
  it('are what assembly/kernels.ts compiles to', async () => {
    assert.deepEqual(await staleKernelFiles(), [])
  })

  it('have no static data, which every new thread would write anew', () => {
    assert.ok(!sectionsOf(Buffer.from(kernelsWasm, 'base64')).includes(DATA_SECTION))
  })
})

/** The ids of a module's sections. */
function sectionsOf(binary: Uint8Array): number[] {
  const ids: number[] = []
  for (let at = 8; at < binary.length;) {
    ids.push(binary[at++]!)
    let size = 0
    for (let shift = 0, more = true; more; shift += 7) {
      more = binary[at]! >= 0x80
      size |= (binary[at++]! & 0x7f) << shift
    }
    at += size
  }
  return ids
}
