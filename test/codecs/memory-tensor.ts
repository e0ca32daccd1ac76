import { createHash } from 'node:crypto'
import type { DeltaTensor, SectionSink, Sections } from '../../src/codecs/index.ts'
import type { Kernels } from '../../src/compute/kernels.ts'
import { MalformedError } from '../../src/errors.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { dtypeBytes } from '../../src/tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../src/tensors/tensor.ts'

/** One tensor of a base and of a post-trained model, as bytes in its dtype, and their f32 delta. */
export interface TestTensor {
  readonly spec: TensorSpec
  readonly base: Uint8Array
  readonly post: Uint8Array
  readonly delta: Float32Array
}

/** The same tensor as codecs see it, in chunks of so many blocks. */
export function deltaTensor(kernels: Kernels, tensor: TestTensor, chunkBlocks = 16): DeltaTensor {
  const { spec, base, post, delta } = tensor
  const elements = elementsOf(spec.shape)
  const width = dtypeBytes[spec.dtype]
  const size = Math.min(chunkBlocks * BLOCK_ELEMENTS, elements)
  return {
    spec,
    async *chunks() {
      const regions = [size * 4, size * width, size * width].map((n) => kernels.allocate(n))
      const [deltaOut, baseOut, postOut] = regions as [(typeof regions)[0], ...typeof regions]
      try {
        for (let from = 0; from < elements; from += size) {
          const count = Math.min(size, elements - from)
          deltaOut.f32.set(delta.subarray(from, from + count))
          baseOut!.u8.set(base.subarray(from * width, (from + count) * width))
          postOut!.u8.set(post.subarray(from * width, (from + count) * width))
          yield { from, count, delta: deltaOut, base: baseOut!, post: postOut! }
        }
      } finally {
        for (const region of regions) kernels.release(region)
      }
    },
  }
}

/** Sections kept in memory. */
export function memorySections(
  stored: ReadonlyMap<string, Uint8Array>,
): Sections & { readonly stored: ReadonlyMap<string, Uint8Array> } {
  return {
    stored,
    bytes: (section) => stored.get(section)?.length ?? 0,
    async read(section, offset, length) {
      const bytes = stored.get(section) ?? new Uint8Array(0)
      if (offset + length > bytes.length) {
        throw new MalformedError('E_SECTION_RANGE', `${offset}+${length} of ${bytes.length}`)
      }
      return bytes.subarray(offset, offset + length)
    },
  }
}

export function collectSections(): { sink: SectionSink; stored: Map<string, Uint8Array> } {
  const stored = new Map<string, Uint8Array>()
  return {
    stored,
    async sink(section, bytes) {
      stored.set(section, Buffer.concat([stored.get(section) ?? new Uint8Array(0), bytes]))
    },
  }
}

export function bytesOfFloats(values: Float32Array): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) bytes.writeFloatLE(value, i * 4)
  return bytes
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
