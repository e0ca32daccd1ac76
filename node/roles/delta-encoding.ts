import { createDeltaWriter, type DeltaFacts, type WrittenDelta } from '../../protocol/index.ts'
import { type DeltaTensor, elementsOf, type TensorCodec, type TensorSpec } from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'
import { encodeMeasured, type SquaredError } from './encoding-error.ts'

/** The tensors of a delta in the order of their names, and how each is to be stored. */
export interface DeltaContent {
  readonly specs: readonly TensorSpec[]
  readonly codecs: ReadonlyMap<string, TensorCodec>
  /** The delta to store. */
  tensor(spec: TensorSpec): DeltaTensor
  /** The delta before it was edited, where it was. */
  plain?(spec: TensorSpec): DeltaTensor
}

export interface EncodedDelta extends WrittenDelta {
  /** Stored bits per changed weight, without the manifest. */
  readonly bpw: number
  /** ‖Δ̂ − Δ‖ ÷ ‖Δ‖ of the whole delta: Δ̂ as it is stored, Δ as it was given to the codecs. */
  readonly relativeError: number | null
  /** The same against the delta before it was edited. */
  readonly editError: number | null
}

/**
 * Encodes a delta tensor by tensor. Where `dryRun` is set every byte is made and counted, but none is
 * stored: the CID is the one that the delta would have.
 */
export async function encodeDelta(
  { engine, store }: SwarmNode,
  content: DeltaContent,
  facts: DeltaFacts,
  { signal, onProgress, dryRun }: JobOptions & { readonly dryRun: boolean },
): Promise<EncodedDelta> {
  const writer = createDeltaWriter(dryRun ? countOnly : store.blocks)
  const losses: SquaredError[] = []
  const changes: SquaredError[] = []
  const total = content.specs.reduce((sum, { shape }) => sum + F32_BYTES * elementsOf(shape), 0)
  let done = 0
  for (const spec of content.specs) {
    signal.throwIfAborted()
    const tensor = content.tensor(spec)
    const plain = content.plain?.(spec) ?? tensor
    const codec = content.codecs.get(spec.name)!
    await writer.add(async (sink) => {
      const { encoded, loss, change } = await encodeMeasured({ tensor, plain, codec }, sink, engine)
      losses.push(loss)
      changes.push(change)
      return encoded
    })
    done += F32_BYTES * elementsOf(spec.shape)
    onProgress({ phase: 'encoding', done, total, unit: 'bytes', detail: spec.name })
  }
  const written = await writer.finish(facts)
  return {
    ...written,
    bpw: (8 * written.root.bytes) / Math.max(1, written.root.elements),
    relativeError: relativeError(losses),
    editError: relativeError(changes),
  }
}

/** `null` when something is stored of a delta that is zero. */
function relativeError(tensors: readonly SquaredError[]): number | null {
  const squares = tensors.reduce((sum, tensor) => sum + tensor.squares, 0)
  const error = tensors.reduce((sum, tensor) => sum + tensor.error, 0)
  if (error === 0) return 0
  return squares === 0 ? null : Math.sqrt(error / squares)
}

/** Deltas are f32 while they are worked on. */
const F32_BYTES = 4

/** A blockstore that keeps nothing. */
const countOnly = {
  has: () => Promise.resolve(false),
  get: () => Promise.resolve(undefined),
  put: () => Promise.resolve(),
}
