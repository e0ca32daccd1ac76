import { createHash } from 'node:crypto'
import { allocateBuffers } from '../../compute/buffers.ts'
import { VerificationError } from '../../errors.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { dtypeBytes } from '../../tensors/dtype.ts'
import { elementsOf } from '../../tensors/tensor.ts'
import type { Codec, CodecContext, EncodedTensor, Sections } from '../index.ts'
import { blockCapacity } from '../sections/block.ts'

/** Fills `into` with the base tensor's bytes from byte `offset` on. */
export type BaseReader = (offset: number, into: Uint8Array) => Promise<void>

/**
 * sha256 of what a tensor decodes to: the post tensor's bytes for an exact codec, else the
 * little-endian f32 delta. Only an exact codec asks for the base.
 */
export async function decodedDigest(
  codec: Codec,
  tensor: EncodedTensor,
  sections: Sections,
  readBase: BaseReader,
  context: CodecContext,
): Promise<Uint8Array> {
  const reader = await codec.open(tensor, sections, context)
  try {
    const width = codec.exact ? dtypeBytes[tensor.spec.dtype] : 4
    const capacity = blockCapacity(tensor.spec)
    using buffers = allocateBuffers(context.kernels, [capacity * width, capacity * width])
    const [out, base] = buffers.regions
    const elements = elementsOf(tensor.spec.shape)
    const hash = createHash('sha256')
    for (let at = 0; at < elements; at += BLOCK_ELEMENTS) {
      const count = Math.min(BLOCK_ELEMENTS, elements - at)
      if (codec.exact) {
        await readBase(at * width, base.u8.subarray(0, count * width))
        await reader.readPost!(out, count, base)
      } else {
        await reader.read(out, count, base)
      }
      hash.update(out.u8.subarray(0, count * width))
    }
    return new Uint8Array(hash.digest())
  } finally {
    reader.close()
  }
}

/**
 * Decodes a tensor and compares the hash. Throws `VerificationError` `E_DECODED_HASH` when it is
 * not the declared one, and `MalformedError` `E_BAD_ENCODING` when the sections do not decode.
 */
export async function verifyTensor(
  codec: Codec,
  tensor: EncodedTensor,
  sections: Sections,
  readBase: BaseReader,
  context: CodecContext,
): Promise<void> {
  const actual = await decodedDigest(codec, tensor, sections, readBase, context)
  if (Buffer.compare(actual, tensor.sha256) === 0) return
  const [expected, got] = [tensor.sha256, actual].map((hash) => Buffer.from(hash).toString('hex'))
  throw new VerificationError(
    'E_DECODED_HASH',
    `'${tensor.spec.name}' decodes to other values than declared: expected ${expected}, got ${got}`,
    {
      expected,
      actual: got,
      fix: 'the delta was published like this: ask its author for another',
    },
  )
}
