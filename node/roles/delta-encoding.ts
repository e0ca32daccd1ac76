import { createDeltaWriter, type DeltaFacts, type WrittenDelta } from '../../protocol/index.ts'
import {
  type CodecChooser,
  type DeltaTensor,
  elementsOf,
  encodeTensor,
  type Loss,
  relativeError,
  type StoredTensor,
  type TensorSpec,
} from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'
import { encodeEdited } from './edit-error.ts'

/** The tensors of a delta in the order of their names, and how each is to be stored. */
export interface DeltaContent {
  readonly specs: readonly TensorSpec[]
  readonly codec: CodecChooser
  /** The delta to store. */
  tensor(spec: TensorSpec): DeltaTensor
  /** The delta before it was edited, where it was. */
  plain?(spec: TensorSpec): DeltaTensor
}

/**
 * What the author says of it. If every codec was exact, the sha256 of each tensor's post-trained bytes
 * is known by its name.
 */
export type FactsOf = (exact?: ReadonlyMap<string, Uint8Array>) => Promise<DeltaFacts>

export interface EncodedDelta extends WrittenDelta {
  /** Stored bits per changed weight, without the manifest. */
  readonly bpw: number
  /** ‖Δ̂ − Δ‖ ÷ ‖Δ‖ of the whole delta as it was encoded, after its edits; 0 when nothing is lost. */
  readonly relativeError: number
  /** The same against the delta before its edits. */
  readonly editError: number
  /** In the order of their names. */
  readonly perTensor: readonly PublishedTensor[]
}

/** What storing one tensor took and lost. */
export interface PublishedTensor extends Pick<StoredTensor, 'codec' | 'parameters'> {
  readonly name: string
  readonly bpw: number
  readonly relativeError: number
}

/**
 * Encodes a delta tensor by tensor. Where `dryRun` is set every byte is made and counted, but none is
 * stored: the CID is the one that the delta would have.
 */
export async function encodeDelta(
  { engine, store }: SwarmNode,
  content: DeltaContent,
  factsOf: FactsOf,
  { signal, onProgress, dryRun }: JobOptions & { readonly dryRun: boolean },
): Promise<EncodedDelta> {
  const writer = createDeltaWriter(dryRun ? countOnly : store.blocks)
  const stored: StoredTensor[] = []
  const changes: Loss[] = []
  const total = content.specs.reduce((sum, { shape }) => sum + F32_BYTES * elementsOf(shape), 0)
  let done = 0
  try {
    for (const spec of content.specs) {
      signal.throwIfAborted()
      const tensor = content.tensor(spec)
      const plain = content.plain?.(spec)
      const codec = await content.codec(tensor, { signal })
      await writer.add(async (sink) => {
        if (plain === undefined) {
          const encoded = await encodeTensor(tensor, codec, sink, engine)
          stored.push(encoded)
          changes.push(encoded.loss)
          return encoded
        }
        const edited = await encodeEdited({ tensor, plain, codec }, sink, engine)
        stored.push(edited.stored)
        changes.push(edited.change)
        return edited.stored
      })
      done += F32_BYTES * elementsOf(spec.shape)
      onProgress({ phase: 'encoding', done, total, unit: 'bytes', detail: spec.name })
    }
    const exact = stored.every(({ codec }) => engine.codecs.get(codec).exact)
    const facts = await factsOf(exact ? postHashes(stored) : undefined)
    const written = await writer.finish(facts)
    return {
      ...written,
      bpw: (8 * written.root.bytes) / Math.max(1, written.root.elements),
      relativeError: relativeError(stored.map(({ loss }) => loss)),
      editError: relativeError(changes),
      perTensor: stored.map(describeStored),
    }
  } finally {
    await writer.settle()
  }
}

function postHashes(stored: readonly StoredTensor[]): ReadonlyMap<string, Uint8Array> {
  return new Map(stored.map(({ spec, sha256 }) => [spec.name, sha256]))
}

function describeStored({ spec, codec, parameters, bytes, loss }: StoredTensor): PublishedTensor {
  const bpw = (8 * bytes) / elementsOf(spec.shape)
  return { name: spec.name, codec, parameters, bpw, relativeError: relativeError([loss]) }
}

/** Deltas are f32 while they are worked on. */
const F32_BYTES = 4

/** A blockstore that keeps nothing. */
const countOnly = {
  has: () => Promise.resolve(false),
  get: () => Promise.resolve(undefined),
  put: () => Promise.resolve(),
}
