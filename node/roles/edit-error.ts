import {
  type DeltaTensor,
  type EncodeContext,
  encodeTensor,
  type Kernels,
  type Loss,
  MalformedError,
  type Region,
  type Sections,
  type SectionSink,
  type StoredTensor,
  type TensorCodec,
} from '../../src/index.ts'

export interface EditedTensor {
  readonly tensor: DeltaTensor
  /** The delta before it was edited; its chunks are those of `tensor`. */
  readonly plain: DeltaTensor
  readonly codec: TensorCodec
}

/**
 * Encodes an edited delta, then decodes it beside the one before the edit, from which the stored one
 * differs by what the edit and the codec did. The sections of a lossy codec are held meanwhile, those
 * of one tensor at a time; an exact codec stores the post weights' own bytes, so that its delta is
 * their difference from the base.
 */
export async function encodeEdited(
  { tensor, plain, codec }: EditedTensor,
  sink: SectionSink,
  context: EncodeContext,
): Promise<{ readonly stored: StoredTensor; readonly change: Loss }> {
  const { exact } = context.codecs.get(codec.codec)
  const kept = new Map<string, Uint8Array[]>()
  const stored = await encodeTensor(
    tensor,
    codec,
    async (section, bytes) => {
      if (!exact) {
        const parts = kept.get(section) ?? []
        parts.push(bytes.slice())
        kept.set(section, parts)
      }
      await sink(section, bytes)
    },
    context,
  )
  return { stored, change: await changeOf(stored, tensor, plain, sectionsOf(kept), context) }
}

async function changeOf(
  stored: StoredTensor,
  tensor: DeltaTensor,
  plain: DeltaTensor,
  sections: Sections,
  context: EncodeContext,
): Promise<Loss> {
  const { kernels } = context
  let [norm, error] = [0, 0]
  const decoder = await openDecoder(stored, sections, context)
  const before = plain.chunks()[Symbol.asyncIterator]()
  const regions: Region[] = []
  try {
    for await (const chunk of tensor.chunks()) {
      if (regions.length === 0) {
        regions.push(...[0, 1].map(() => kernels.allocate(chunk.count * 4)))
      }
      const [out, difference] = regions as [Region, Region]
      await decoder.read(out, chunk)
      const unedited = await before.next()
      if (unedited.done === true) throw new RangeError('the delta before the edit ends early')
      const { delta } = unedited.value
      kernels.subtract(out, delta, difference, chunk.count)
      norm = kernels.sumSquares(delta, chunk.count, norm)
      error = kernels.sumSquares(difference, chunk.count, error)
    }
  } finally {
    await before.return?.()
    for (const region of regions) kernels.release(region)
    decoder.close()
  }
  return { norm, error }
}

interface Chunk {
  readonly count: number
  readonly base: Region
  readonly post: Region
}

async function openDecoder(
  stored: StoredTensor,
  sections: Sections,
  { codecs, kernels }: EncodeContext,
): Promise<{ read(out: Region, chunk: Chunk): Promise<void> | void; close(): void }> {
  const codec = codecs.get(stored.codec)
  if (codec.exact) {
    const dtype = stored.spec.dtype as Parameters<Kernels['difference']>[0]
    return {
      read: (out, { base, post, count }) => kernels.difference(dtype, post, base, out, count),
      close() {},
    }
  }
  const reader = await codec.open(stored, sections, { kernels })
  return {
    read: (out, { base, count }) => reader.read(out, count, base),
    close: () => reader.close(),
  }
}

function sectionsOf(parts: ReadonlyMap<string, readonly Uint8Array[]>): Sections {
  const whole = new Map([...parts].map(([name, list]) => [name, Buffer.concat(list)]))
  return {
    bytes: (section) => whole.get(section)?.length ?? 0,
    read(section, offset, length) {
      const bytes = whole.get(section)?.subarray(offset, offset + length)
      if (bytes?.length === length) return Promise.resolve(bytes)
      throw new MalformedError('E_BAD_ENCODING', `section '${section}' ends early`, {
        expected: `${length} bytes at ${offset}`,
        actual: `${bytes?.length ?? 0} bytes`,
      })
    },
  }
}
