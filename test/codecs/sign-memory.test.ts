import assert from 'node:assert/strict'
import { loadCodecs } from '../../src/codecs/index.ts'
import { encodeTensor } from '../../src/codecs/manifest/encode-delta.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { gaussian } from './gaussian.ts'
import { bytesOfFloats, collectSections, deltaTensor, memorySections } from './memory-tensor.ts'

describe('memory of the codecs of signs', () => {
  const shape = [64, 8 * 1024]
  const delta = gaussian(64 * 8 * 1024, 1)
  const post = bytesOfFloats(delta)
  const spec = { name: 'x', dtype: 'F32', shape } as const

  for (const [id, parameters] of [
    ['bitdelta', {}],
    ['bitdelta', { scales: 'group', group: 8, scaleDtype: 'F32' }],
    ['bitdelta', { scales: 'column' }],
    ['noise', { scales: 'row' }],
    ['blocks', { blocks: 64 }],
    ['blocks', { split: 'lloyd' }],
    ['residual', { bits: 8, fit: 'greedy', scales: 'row' }],
  ] as const) {
    it(`stays below what a plan allows with ${id} ${JSON.stringify(parameters)}`, async () => {
      const kernels = openKernels()
      const codecs = await loadCodecs()
      const { sink, stored } = collectSections()
      const source = deltaTensor(
        kernels,
        { spec, base: new Uint8Array(post.length), post, delta },
        1,
      )
      const block = 4 * BLOCK_ELEMENTS
      const encoded = await encodeTensor(source, { codec: id, parameters }, sink, {
        kernels,
        codecs,
      })
      // Three blocks are the source's.
      assert.ok(kernels.peak <= (3 + 16) * block, `${kernels.peak / block} blocks to encode`)

      const fresh = openKernels()
      const reader = await codecs.get(id).open(encoded, memorySections(stored), { kernels: fresh })
      const out = fresh.allocate(block)
      for (let at = 0; at < delta.length; at += BLOCK_ELEMENTS) {
        await reader.read(out, BLOCK_ELEMENTS, out)
      }
      reader.close()
      assert.ok(fresh.peak <= (1 + 8) * block, `${fresh.peak / block} blocks to decode`)
    })
  }
})
