import {
  type DeltaTensor,
  type EncodedTensor,
  encodeTensor,
  createRelationSum,
  type Kernels,
  MalformedError,
  type Region,
  type Relation,
  type Sections,
  type SectionSink,
  type TensorCodec,
} from '../../src/index.ts'
import type { Engine } from '../engine.ts'

/** A tensor as it was stored, and how that stands to what it was made from. */
export interface MeasuredEncoding {
  readonly encoded: EncodedTensor
  /** a is the delta that was given to the codec, b the stored one. */
  readonly loss: Relation
  /** a is the delta before any edit, b the stored one. */
  readonly change: Relation
}

export interface EncodingInput {
  readonly tensor: DeltaTensor
  /** The delta before it was edited; its chunks are those of `tensor`. */
  readonly plain: DeltaTensor
  readonly codec: TensorCodec
}

/**
 * Encodes a tensor, then decodes it beside what it was made from. The sections of a lossy codec are
 * held meanwhile, those of one tensor at a time; an exact codec stores the post weights' own bytes, so
 * that its delta is their difference from the base.
 */
export async function encodeMeasured(
  { tensor, plain, codec }: EncodingInput,
  sink: SectionSink,
  engine: Engine,
): Promise<MeasuredEncoding> {
  const { exact } = engine.codecs.get(codec.codec)
  const kept = new Map<string, Uint8Array[]>()
  const encoded = await encodeTensor(
    tensor,
    codec,
    async (section, bytes) => {
      if (!exact) kept.set(section, [...(kept.get(section) ?? []), bytes.slice()])
      await sink(section, bytes)
    },
    engine,
  )
  const [loss, change] = [createRelationSum(engine.kernels), createRelationSum(engine.kernels)]
  const decoder = await openDecoder(encoded, sectionsOf(kept), engine)
  const before = plain === tensor ? undefined : plain.chunks()[Symbol.asyncIterator]()
  const regions: Region[] = []
  try {
    for await (const chunk of tensor.chunks()) {
      if (regions.length === 0) {
        regions.push(...[0, 1].map(() => engine.kernels.allocate(chunk.count * 4)))
      }
      const [stored, scratch] = regions as [Region, Region]
      await decoder.read(stored, chunk)
      loss.add(chunk.delta, stored, scratch, chunk.count)
      const unedited = before === undefined ? chunk : (await before.next()).value!
      change.add(unedited.delta, stored, scratch, chunk.count)
    }
  } finally {
    await before?.return?.()
    for (const region of regions) engine.kernels.release(region)
    decoder.close()
  }
  return { encoded, loss: loss.value(), change: change.value() }
}

interface Chunk {
  readonly count: number
  readonly base: Region
  readonly post: Region
}

async function openDecoder(
  encoded: EncodedTensor,
  sections: Sections,
  { codecs, kernels }: Engine,
): Promise<{ read(out: Region, chunk: Chunk): Promise<void> | void; close(): void }> {
  const codec = codecs.get(encoded.codec)
  if (codec.exact) {
    const dtype = encoded.spec.dtype as Parameters<Kernels['difference']>[0]
    return {
      read: (out, { base, post, count }) => kernels.difference(dtype, post, base, out, count),
      close() {},
    }
  }
  const reader = await codec.open(encoded, sections, { kernels })
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
