import { dtypeBytes } from '../../tensors/dtype.ts'
import type { CodecContext, DeltaReader, EncodedTensor, Sections } from '../index.ts'
import { scaleLayout } from '../scales/layout.ts'
import { allocateBuffers, blockCapacity, createBlockReader } from '../sections/block.ts'
import { badEncoding, checkSize, weightDType } from '../sections/encoding.ts'
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
  const planes = openPlanes(kernels, spec, sections, stored.bits)
  const scales = createScaleReader(kernels, createSectionReader(sections, SCALES), stored)
  const decoder = createLevelDecoder(kernels, spec, layout, scales.next, (level) =>
    badEncoding(`a level of '${spec.name}'`, 'finite', level),
  )
  const buffers = allocateBuffers(kernels, [blockCapacity(spec)])
  const [codes] = buffers.regions
  return createBlockReader(spec, {
    async read(out, count, _base, from) {
      await planes.read(codes, count)
      await decoder.decode(codes, out, from, count)
    },
    end() {
      planes.end()
      scales.end()
    },
    close() {
      planes.close()
      for (const owner of [scales, decoder, buffers]) owner[Symbol.dispose]()
    },
  })
}
