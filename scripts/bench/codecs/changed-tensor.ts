import type { DeltaTensor, Kernels, TensorSpec } from '../../../src/index.ts'
import { CHUNK_ELEMENTS } from '../../../src/tensors/blocks.ts'
import { dtypeBytes } from '../../../src/tensors/dtype.ts'

/** A tensor that a fine-tune changes, in memory. */
export interface ChangedTensor {
  readonly spec: TensorSpec
  /** Little-endian bytes in its dtype. */
  readonly base: Uint8Array
  readonly post: Uint8Array
  /** f32(post) − f32(base), or what an edit made of that. */
  readonly delta: Float32Array
}

/** The same tensor as codecs see it. */
export function streamOf(
  { spec, base, post, delta }: ChangedTensor,
  kernels: Kernels,
): DeltaTensor {
  const width = dtypeBytes[spec.dtype]
  return {
    spec,
    async *chunks() {
      const most = Math.min(delta.length, CHUNK_ELEMENTS)
      const out = kernels.allocate(most * 4)
      const [ofBase, ofPost] = [kernels.allocate(most * width), kernels.allocate(most * width)]
      try {
        for (let from = 0; from < delta.length; from += most) {
          const count = Math.min(most, delta.length - from)
          out.f32.set(delta.subarray(from, from + count))
          ofBase.u8.set(base.subarray(from * width, (from + count) * width))
          ofPost.u8.set(post.subarray(from * width, (from + count) * width))
          yield { from, count, delta: out, base: ofBase, post: ofPost }
        }
      } finally {
        for (const region of [out, ofBase, ofPost]) kernels.release(region)
      }
    },
  }
}
