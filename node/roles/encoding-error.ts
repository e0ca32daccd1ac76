import {
  type DeltaTensor,
  type EncodedTensor,
  encodeTensor,
  createSquareSum,
  type Kernels,
  MalformedError,
  type Region,
  type Sections,
  type SectionSink,
  type TensorCodec,
} from '../../src/index.ts'
import type { Engine } from '../engine.ts'

/** Σ Δ² and Σ (Δ̂ − Δ)², where Δ̂ is a delta as it is stored. */
export interface SquaredError {
  readonly squares: number
  readonly error: number
}

/** A tensor as it was stored, and how far that is from what it was made from. */
export interface MeasuredEncoding {
  readonly encoded: EncodedTensor
  /** Against the delta that was given to the codec. */
  readonly loss: SquaredError
  /** Against the delta before any edit. */
  readonly change: SquaredError
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
      if (!exact) {
        const parts = kept.get(section) ?? []
        parts.push(bytes.slice())
        kept.set(section, parts)
      }
      await sink(section, bytes)
    },
    engine,
  )
  const loss = createErrorSum(engine.kernels)
  const change = plain === tensor ? loss : createErrorSum(engine.kernels)
  const unedited = change === loss ? undefined : plain.chunks()[Symbol.asyncIterator]()
  const decoder = await openDecoder(encoded, sectionsOf(kept), engine)
  const regions: Region[] = []
  try {
    for await (const chunk of tensor.chunks()) {
      const { delta, count } = chunk
      if (regions.length === 0) {
        regions.push(...[0, 1].map(() => engine.kernels.allocate(count * 4)))
      }
      const [stored, scratch] = regions as [Region, Region]
      await decoder.read(stored, chunk)
      loss.add(delta, stored, scratch, count)
      if (unedited === undefined) continue
      const before = await unedited.next()
      if (before.done !== true) change.add(before.value.delta, stored, scratch, count)
    }
  } finally {
    await unedited?.return?.()
    for (const region of regions) engine.kernels.release(region)
    decoder.close()
  }
  return { encoded, loss: loss.value(), change: change.value() }
}

function createErrorSum(kernels: Kernels) {
  const [squares, error] = [createSquareSum(kernels), createSquareSum(kernels)]
  return {
    add(delta: Region, stored: Region, scratch: Region, count: number): void {
      kernels.subtract(stored, delta, scratch, count)
      squares.add(delta, count)
      error.add(scratch, count)
    },
    value: (): SquaredError => ({ squares: squares.value(), error: error.value() }),
  }
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
