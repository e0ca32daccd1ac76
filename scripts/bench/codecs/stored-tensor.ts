import {
  type Codec,
  type CodecChooser,
  type CodecContext,
  elementsOf,
  encodeTensor,
  type Region,
  type Registry,
  type Sections,
  type StoredTensor,
} from '../../../src/index.ts'
import { BLOCK_ELEMENTS } from '../../../src/tensors/blocks.ts'
import { dtypeBytes, type WeightDType } from '../../../src/tensors/dtype.ts'
import { collectSections } from '../memory-sections.ts'
import { type ChangedTensor, streamOf } from './changed-tensor.ts'

export interface Context extends CodecContext {
  readonly codecs: Registry<Codec>
}

/** A tensor in the bytes of a codec. */
export interface Encoded {
  readonly tensor: StoredTensor
  readonly sections: Sections
}

export async function encode(
  tensor: ChangedTensor,
  choose: CodecChooser,
  context: Context,
): Promise<Encoded> {
  const stream = streamOf(tensor, context.kernels)
  const collected = collectSections()
  const stored = await encodeTensor(stream, await choose(stream), collected.sink, context)
  return { tensor: stored, sections: collected.sections() }
}

/**
 * Reads a tensor back, block after block: an exact codec gives the post-trained weights, another one
 * the delta.
 */
export async function decode(
  { tensor, sections }: Encoded,
  base: Uint8Array,
  { codecs, kernels }: Context,
  use: (out: Region, from: number, count: number) => void,
): Promise<void> {
  const codec = codecs.get(tensor.codec)
  const elements = elementsOf(tensor.spec.shape)
  const width = dtypeBytes[tensor.spec.dtype]
  const most = Math.min(BLOCK_ELEMENTS, elements)
  const [out, ofBase] = [kernels.allocate(most * 4), kernels.allocate(most * width)]
  const reader = await codec.open(tensor, sections, { kernels })
  try {
    for (let from = 0; from < elements; from += most) {
      const count = Math.min(most, elements - from)
      if (!codec.exact) await reader.read(out, count, ofBase)
      else {
        ofBase.u8.set(base.subarray(from * width, (from + count) * width))
        await reader.readPost!(out, count, ofBase)
      }
      use(out, from, count)
    }
  } finally {
    reader.close()
    for (const region of [out, ofBase]) kernels.release(region)
  }
}

/** The delta that a tensor decodes to. */
export async function decodedDelta(
  encoded: Encoded,
  { base, delta }: ChangedTensor,
  context: Context,
): Promise<Float32Array> {
  if (context.codecs.get(encoded.tensor.codec).exact) return delta
  const decoded = new Float32Array(delta.length)
  await decode(encoded, base, context, (out, from, count) =>
    decoded.set(out.f32.subarray(0, count), from),
  )
  return decoded
}

/** base + delta, rounded to the dtype of the base. */
export function appliedTo(
  { spec, base }: ChangedTensor,
  delta: Float32Array,
  { kernels }: Context,
): Uint8Array {
  const dtype = spec.dtype as WeightDType
  const [change, weights] = [delta.byteLength, base.length].map((bytes) => kernels.allocate(bytes))
  const out = kernels.allocate(base.length)
  change!.f32.set(delta)
  weights!.u8.set(base)
  kernels.applied(dtype, weights!, change!, dtype, out, delta.length)
  const bytes = out.u8.slice(0, base.length)
  for (const region of [change!, weights!, out]) kernels.release(region)
  return bytes
}
