import { allocateBuffers } from '../../compute/buffers.ts'
import { dtypeBytes } from '../../tensors/dtype.ts'
import type { CodecContext, DeltaReader, EncodedTensor, Sections } from '../index.ts'
import { scaleLayout } from '../scales/layout.ts'
import { blockCapacity, createBlockReader } from '../sections/block.ts'
import { badEncoding, checkSize, weightDType } from '../sections/encoding.ts'
import { owning } from '../sections/owning.ts'
import { createSectionReader } from '../sections/section-reader.ts'
import { checkStoredResidual } from './parameters.ts'
import { openPlanes } from './sign-planes.ts'
import { createLevelDecoder, createScaleReader, SCALES } from './unit-scales.ts'

/** Reads sign planes and scales; throws `MalformedError` `E_BAD_ENCODING`. */
export async function openResidual(
  tensor: EncodedTensor,
  sections: Sections,
  { kernels }: CodecContext,
): Promise<DeltaReader> {
  const { spec } = tensor
  weightDType(spec)
  const stored = checkStoredResidual(tensor)
  const layout = scaleLayout(spec.shape, { ...stored, group: 0 })
  checkSize(sections, SCALES, layout.count * stored.bits * dtypeBytes[stored.scaleDtype])
  return owning((own, close) => {
    const planes = own(openPlanes(kernels, spec, sections, stored.bits))
    const scales = own(createScaleReader(kernels, createSectionReader(sections, SCALES), stored))
    const badLevel = (level: number) => badEncoding(`a level of '${spec.name}'`, 'finite', level)
    const decoder = own(createLevelDecoder(kernels, spec, layout, scales.next, badLevel))
    const [codes] = own(allocateBuffers(kernels, [blockCapacity(spec)])).regions
    return createBlockReader(spec, {
      async read(out, count, _base, from) {
        await planes.read(codes, count)
        await decoder.decode(codes, out, from, count)
      },
      end() {
        planes.end()
        scales.end()
      },
      close,
    })
  })
}
