import assert from 'node:assert/strict'
import { codec } from '../../src/codecs/bitdelta.ts'
import type { CodecGraph } from '../../src/codecs/index.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { MalformedError } from '../../src/errors.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { encodeValues } from './encode-values.ts'
import { memorySections } from './memory-tensor.ts'
import { pseudoRandom } from './numbers.ts'

describe('bitmaps of signs for a device', () => {
  const kernels = openKernels()

  afterEach('gives all memory back', () => assert.equal(kernels.allocated, 0))

  it('are whole ones, whatever zeros a block has', async () => {
    const random = pseudoRandom(1)
    const delta = Float32Array.from({ length: 2 * BLOCK_ELEMENTS + 77 }, () => random() - 0.5)
    delta.fill(0, 1000, BLOCK_ELEMENTS + 1000)
    delta.fill(0, 2 * BLOCK_ELEMENTS)
    const { stored, encoded } = await encodeValues(kernels, codec, delta)
    const graph = await codec.graph!(encoded, memorySections(stored), { kernels })
    const [signs, nonzero] = await Promise.all(graph!.planes.map(filled))
    for (const [i, value] of delta.entries()) {
      const bitOf = (bytes: Float32Array) => (bytes[i >> 3]! >> (i & 7)) & 1
      assert.equal(bitOf(nonzero!), Number(value !== 0))
      if (value !== 0) assert.equal(bitOf(signs!), Number(value > 0))
    }
  })

  it('are refused where signs are missing', async () => {
    const { stored, encoded } = await encodeValues(kernels, codec, [1, 0, -1])
    const sections = memorySections(new Map([...stored, ['signs', new Uint8Array(0)]]))
    const graph = await codec.graph!(encoded, sections, { kernels })
    for (const plane of graph!.planes) await assert.rejects(filled(plane), MalformedError)
  })

  async function filled({ elements, fill }: Plane): Promise<Float32Array> {
    const out = kernels.allocate(4 * elements)
    try {
      await fill(out)
      return out.f32.slice(0, elements)
    } finally {
      kernels.release(out)
    }
  }
})

type Plane = CodecGraph['planes'][number]
