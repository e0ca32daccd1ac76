import assert from 'node:assert/strict'
import { type DeltaTensor, loadCodecs } from '../../src/codecs/index.ts'
import type { Kernels, Region } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { sliceRegion } from '../../src/compute/slice-region.ts'
import { checkParameters, type ParameterValues } from '../../src/parameters.ts'
import { codecMemory } from '../../src/recipes/plan/plan-memory.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { elementsOf, type TensorSpec } from '../../src/tensors/tensor.ts'
import { gaussian } from './gaussian.ts'
import { collectSections, memorySections } from './memory-tensor.ts'

/** Small, with many columns, with many rows: what does not shrink, and what grows with either. */
const shapes = [
  [2, 1000],
  [2, 200_000],
  [40_000, 1],
] as const

/** What takes the most memory of each codec; one without a line here fails below. */
const uses: readonly (readonly [string, ParameterValues])[] = [
  ['bitdelta', { scales: 'column', scaleDtype: 'F32' }],
  ['bitdelta', { scales: 'group', group: 8, scaleDtype: 'F32' }],
  ['blocks', { blocks: 64 }],
  ['blocks', { blocks: 2 }],
  ['blocks', { blocks: 16, split: 'lloyd' }],
  ['blocks', { blocks: 64, split: 'equal-width' }],
  ['integer', { bits: 8, group: 8, scheme: 'asymmetric' }],
  ['low-rank', { rank: 8 }],
  ['noise', { scales: 'column' }],
  ['noise', { scales: 'row' }],
  ['raw', {}],
  ['residual', { bits: 6, fit: 'greedy', scales: 'row', scaleDtype: 'F32' }],
  ['residual', { bits: 8, fit: 'greedy' }],
  ['sparse', {}],
  ['ternary', {}],
]

const codecs = await loadCodecs()

describe('the memory that a plan allows for a codec', () => {
  const values = gaussian(Math.max(...shapes.map(elementsOf)), 1)

  it('is tried with every codec', () => {
    assert.deepEqual([...new Set(uses.map(([id]) => id))], codecs.ids)
  })

  for (const [id, chosen] of uses) {
    for (const shape of shapes) {
      it(`holds for ${id} ${JSON.stringify(chosen)} on ${shape.join(' × ')}`, async () => {
        const codec = codecs.get(id)
        const parameters = checkParameters(id, codec.parameters, chosen)
        const spec: TensorSpec = { name: 'layers.0.weight', dtype: 'F32', shape }
        const { sink, stored } = collectSections()
        const kernels = openKernels()
        const tensor = residentTensor(kernels, spec, values)
        const own = kernels.allocated
        const encoding = await codec.encode(tensor, parameters as never, sink, { kernels })
        const toEncode = codecMemory(codec, 'encode', spec, parameters)
        assert.ok(kernels.peak - own <= toEncode, `${kernels.peak - own} of ${toEncode} to encode`)

        const fresh = openKernels()
        const [chunk, base] = [BLOCK_ELEMENTS * 4, BLOCK_ELEMENTS * 4].map((bytes) => {
          return fresh.allocate(bytes)
        }) as [Region, Region]
        base.f32.fill(0)
        const given = fresh.allocated
        const encoded = { spec, codec: id, ...encoding }
        const reader = await codec.open(encoded, memorySections(stored), { kernels: fresh })
        for (let at = 0; at < elementsOf(shape); at += BLOCK_ELEMENTS) {
          await reader.read(chunk, Math.min(BLOCK_ELEMENTS, elementsOf(shape) - at), base)
        }
        reader.close()
        const toRead = codecMemory(codec, 'read', spec, encoding.parameters)
        const taken = fresh.peak - given
        assert.ok(taken <= toRead, `${taken} of ${toRead} to read`)
      })
    }
  }
})

/** A delta over a base of zeros that takes the same memory in every pass and between them. */
function residentTensor(kernels: Kernels, spec: TensorSpec, values: Float32Array): DeltaTensor {
  const elements = elementsOf(spec.shape)
  const [delta, base] = [kernels.allocate(elements * 4), kernels.allocate(elements * 4)]
  delta.f32.set(values.subarray(0, elements))
  base.f32.fill(0)
  return {
    spec,
    async *chunks() {
      for (let from = 0; from < elements; from += BLOCK_ELEMENTS) {
        const count = Math.min(BLOCK_ELEMENTS, elements - from)
        const [of, ofBase] = [delta, base].map((all) => sliceRegion(all, from * 4, count * 4))
        yield { from, count, delta: of!, base: ofBase!, post: of! }
      }
    },
  }
}
