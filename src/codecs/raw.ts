import { createHash } from 'node:crypto'
import type { MalformedError } from '../errors.ts'
import { BLOCK_ELEMENTS } from '../tensors/blocks.ts'
import { dtypeBytes } from '../tensors/dtype.ts'
import { elementsOf } from '../tensors/tensor.ts'
import { defineCodec } from './index.ts'
import {
  allocateBuffers,
  type BlockRead,
  blockCapacity,
  createBlockReader,
  eachBlock,
} from './sections/block.ts'
import { badEncoding, checkSize, checkStored, weightDType } from './sections/encoding.ts'
import { decodePlane, encodePlane } from './sections/plane.ts'
import { createSectionReader } from './sections/section-reader.ts'

/**
 * Stores the difference of ordered bit patterns (`Kernels.orderedDifference`), which together with
 * the base gives back the post-trained tensor bit for bit, whatever the rounding of post − base.
 *
 * Section `planes`: per block of `BLOCK_ELEMENTS` the frames of its 2 (BF16, F16) or 4 (F32) byte
 * planes, lowest byte first. A fine-tune moves weights by few representable steps, so the upper
 * planes are nearly constant: 5 bits per BF16, 8 per F16 and 21 per F32 weight of the demo's ViT.
 */
export const codec = defineCodec({
  id: 'raw',
  about: 'the post-trained weights exactly, as packed differences from the base',
  reference: 'Zstandard (RFC 8878) over byte planes of the difference of ordered bit patterns',
  exact: true,
  parameters: {},

  async encode(tensor, _parameters, sink, { kernels }) {
    const dtype = weightDType(tensor.spec)
    const width = dtypeBytes[dtype]
    using buffers = allocateBuffers(kernels, [blockCapacity(tensor.spec) * width])
    const [planes] = buffers.regions
    const hash = createHash('sha256')
    for await (const { count, post, base } of eachBlock(tensor)) {
      kernels.orderedDifference(dtype, post, base, planes, count)
      hash.update(post.u8.subarray(0, count * width))
      const frames: Uint8Array[] = []
      for (let plane = 0; plane < width; plane++) {
        frames.push(encodePlane(kernels, planes.u8.subarray(plane * count, (plane + 1) * count)))
      }
      await sink(PLANES, Buffer.concat(frames))
    }
    return { parameters: {}, sha256: new Uint8Array(hash.digest()), squaredError: 0 }
  },

  async open(tensor, sections, { kernels }) {
    const { spec } = tensor
    const dtype = weightDType(spec)
    const width = dtypeBytes[dtype]
    const elements = elementsOf(spec.shape)
    const frames = width * Math.ceil(elements / BLOCK_ELEMENTS)
    checkStored(tensor, {})
    checkSize(sections, PLANES, 2 * frames, frames + width * elements)

    const capacity = blockCapacity(spec)
    const buffers = allocateBuffers(kernels, [capacity * width, capacity * width, capacity * 4])
    const [planes, post, wide] = buffers.regions
    const reader = createSectionReader(sections, PLANES)

    const readPost: BlockRead = async (out, count, base) => {
      for (let plane = 0; plane < width; plane++) {
        await decodePlane(kernels, reader, planes.u8.subarray(plane * count, (plane + 1) * count))
      }
      kernels.orderedSum(dtype, planes, base, out, count)
      kernels.widen(dtype, out, wide, count)
      if (kernels.firstNonFinite(wide, count) >= 0) throw notFinite(spec.name)
    }
    return createBlockReader(spec, {
      readPost,
      async read(out, count, base, from) {
        await readPost(post, count, base, from)
        kernels.widen(dtype, base, out, count)
        kernels.subtract(wide, out, out, count)
        if (kernels.firstNonFinite(out, count) >= 0) throw notFinite(spec.name)
      },
      end: () => reader.end(),
      close: () => buffers[Symbol.dispose](),
    })
  },
})

const PLANES = 'planes'

function notFinite(name: string): MalformedError {
  return badEncoding(`'${name}' decodes to a value that is not finite`, 'finite', 'NaN or ±∞')
}
