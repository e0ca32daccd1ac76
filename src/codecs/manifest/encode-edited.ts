import type { Region } from '../../compute/kernels.ts'
import { createLease, type Lease } from '../../compute/lease.ts'
import type { WeightDType } from '../../tensors/dtype.ts'
import type { DeltaChunk, DeltaTensor, Sections, SectionSink } from '../index.ts'
import {
  type EncodeContext,
  encodeTensor,
  type Loss,
  type StoredTensor,
  type TensorCodec,
} from './encode-delta.ts'
import { createHeldSections } from './held-sections.ts'

export interface EditedTensor {
  readonly tensor: DeltaTensor
  /** The delta before it was edited; its chunks are those of `tensor`. */
  readonly plain: DeltaTensor
  readonly codec: TensorCodec
}

/**
 * Encodes an edited delta, then decodes it beside the one before the edit, from which the stored
 * one differs by what the edit and the codec did. The sections of a lossy codec are held meanwhile,
 * those of one tensor at a time; an exact codec stores the post weights' own bytes, so that its
 * delta is their difference from the base.
 */
export async function encodeEdited(
  { tensor, plain, codec }: EditedTensor,
  sink: SectionSink,
  context: EncodeContext,
): Promise<{ readonly stored: StoredTensor; readonly change: Loss }> {
  const { exact } = context.codecs.get(codec.codec)
  const held = createHeldSections()
  const both: SectionSink = async (section, bytes) => {
    await held.sink(section, bytes)
    await sink(section, bytes)
  }
  const stored = await encodeTensor(tensor, codec, exact ? sink : both, context)
  return { stored, change: await changeOf(stored, tensor, plain, held.read(), context) }
}

async function changeOf(
  stored: StoredTensor,
  tensor: DeltaTensor,
  plain: DeltaTensor,
  sections: Sections,
  context: EncodeContext,
): Promise<Loss> {
  const { kernels } = context
  const before = plain.chunks()[Symbol.asyncIterator]()
  const lease = createLease(kernels)
  lease.defer(() => before.return?.())
  try {
    const decode = await openDecoder(stored, sections, context, lease)
    let regions: readonly Region[] | undefined
    let [norm, error] = [0, 0]
    for await (const chunk of tensor.chunks()) {
      const { count } = chunk
      regions ??= [lease.take(count * 4), lease.take(count * 4)]
      const [out, difference] = regions as [Region, Region]
      await decode(out, chunk)
      const unedited = await before.next()
      if (unedited.done === true || unedited.value.count !== count) {
        throw new RangeError(
          `the delta before the edit has other chunks than '${stored.spec.name}'`,
        )
      }
      const { delta } = unedited.value
      kernels.subtract(out, delta, difference, count)
      norm = kernels.sumSquares(delta, count, norm)
      error = kernels.sumSquares(difference, count, error)
    }
    return { norm, error }
  } finally {
    await lease.release()
  }
}

/** Puts the stored delta of one chunk after the other into `out`. */
async function openDecoder(
  stored: StoredTensor,
  sections: Sections,
  { codecs, kernels }: EncodeContext,
  lease: Lease,
): Promise<(out: Region, chunk: DeltaChunk) => Promise<void>> {
  const codec = codecs.get(stored.codec)
  if (codec.exact) {
    const dtype = stored.spec.dtype as WeightDType
    return async (out, { base, post, count }) => kernels.difference(dtype, post, base, out, count)
  }
  const reader = await codec.open(stored, sections, { kernels })
  lease.defer(() => reader.close())
  return (out, { base, count }) => reader.read(out, count, base)
}
