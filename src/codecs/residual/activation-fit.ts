import { allocateBuffers } from '../../compute/buffers.ts'
import { BLOCK_VALUES_BYTES, type Kernels } from '../../compute/kernels.ts'
import type { Activations, DeltaTensor } from '../index.ts'
import { type Basis, fitToActivations } from '../scales/activation-scales.ts'
import type { ScaleLayout } from '../scales/layout.ts'
import { type Codebook, signOf } from './codebook.ts'
import { createCoder } from './coder.ts'

/** The scales that fit the outputs best for the signs that the codebooks choose. */
export async function fitPlanesToActivations(
  tensor: DeltaTensor,
  layout: ScaleLayout,
  activations: Activations,
  { bits, codebookOf }: { bits: number; codebookOf: (unit: number) => Codebook },
  kernels: Kernels,
): Promise<Float64Array> {
  const columns = activations.activations.length / activations.rows
  using coder = createCoder(kernels, layout, { bits, most: 1, codebookOf })
  using buffers = allocateBuffers(kernels, [columns, BLOCK_VALUES_BYTES])
  const [codes, signs] = buffers.regions
  const basis: Basis = (plane, delta, out, row) => {
    if (plane === 0) coder.codeUnit(layout.count === 1 ? 0 : row, delta, codes, columns)
    signs.f32.set(Float32Array.from({ length: 2 ** bits }, (_, code) => signOf(code, plane)))
    kernels.lookUpBlocks(codes, signs, out, columns)
  }
  const { count: units } = layout
  return fitToActivations(tensor, activations, { planes: bits, units, basis }, kernels)
}
