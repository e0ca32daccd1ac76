import { createDeltaWriter, type DeltaFacts, type WrittenDelta } from '../../protocol/index.ts'
import {
  canonicalScope,
  type CID,
  type DeltaTensor,
  elementsOf,
  type EncodeContext,
  encodeEdited,
  encodeTensor,
  inScope,
  InvalidInputError,
  type Loss,
  relativeError,
  type StoredTensor,
  type TensorSpec,
} from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'
import type { OpenCodec } from './codec.ts'

/** The tensors of a delta in the order of their names, and how each is to be stored. */
export interface DeltaContent {
  readonly specs: readonly TensorSpec[]
  readonly codec: OpenCodec
  /** The delta to store. */
  tensor(spec: TensorSpec): DeltaTensor
  /** The delta before it was edited, where it was. */
  plain?(spec: TensorSpec): DeltaTensor
}

/**
 * What the author says of it. If every codec was exact, the sha256 of each tensor's post-trained
 * bytes is known by its name.
 */
export type FactsOf = (exact?: ReadonlyMap<string, Uint8Array>) => Promise<DeltaFacts>

export interface EncodedDelta extends WrittenDelta {
  /** Stored bits per changed weight, without the manifest. */
  readonly bpw: number
  /**
   * ‖Δ̂ − Δ‖ ÷ ‖Δ‖ of the whole delta as it was encoded, after its edits; 0 when nothing is lost.
   */
  readonly relativeError: number
  /** The same against the delta before its edits. */
  readonly editError: number
  /** What is stored as it is in another delta, where the codec was told of one. */
  readonly like?: SharedSections
  /** Tensors whose scales were fitted to given activations, where there were any. */
  readonly calibrated?: number
  /** In the order of their names. */
  readonly perTensor: readonly PublishedTensor[]
}

export interface SharedSections {
  /** The other delta's CID. */
  readonly id: string
  /** Tensors that took their signs from there, and those of the same codec that could not. */
  readonly tensors: number
  readonly others: number
  /** Bytes of the blocks that both have. */
  readonly bytes: number
}

/** What storing one tensor took and lost. */
export interface PublishedTensor extends Pick<StoredTensor, 'codec' | 'parameters'> {
  readonly name: string
  readonly bpw: number
  readonly relativeError: number
}

/**
 * Encodes a delta tensor by tensor. Where `dryRun` is set every byte is made and counted, but none
 * is stored: the CID is the one that the delta would have. Rejects with `InvalidInputError`
 * `E_EMPTY_SCOPE` when a scope was named that reaches none of the tensors.
 */
export async function encodeDelta(
  { engine, store }: SwarmNode,
  content: DeltaContent,
  factsOf: FactsOf,
  { signal, onProgress, dryRun }: JobOptions & { readonly dryRun: boolean },
): Promise<EncodedDelta> {
  const writer = createDeltaWriter(dryRun ? countOnly : store.blocks)
  checkScope(content)
  const { choose, like } = content.codec
  const { context, calibrated } = counting(content.codec.context)
  const stored: StoredTensor[] = []
  const tally = { tensors: 0, others: 0 }
  const changes: Loss[] = []
  const total = content.specs.reduce((sum, { shape }) => sum + F32_BYTES * elementsOf(shape), 0)
  let done = 0
  try {
    for (const spec of content.specs) {
      signal.throwIfAborted()
      const tensor = content.tensor(spec)
      const plain = content.plain?.(spec)
      const codec = await choose(tensor, { signal })
      if (codec.like !== undefined) tally.tensors++
      else if (codec.codec === like?.codec) tally.others++
      await writer.add(async (sink) => {
        if (plain === undefined) {
          const encoded = await encodeTensor(tensor, codec, sink, context)
          stored.push(encoded)
          changes.push(encoded.loss)
          return encoded
        }
        const edited = await encodeEdited({ tensor, plain, codec }, sink, context)
        stored.push(edited.stored)
        changes.push(edited.change)
        return edited.stored
      })
      done += F32_BYTES * elementsOf(spec.shape)
      onProgress({ phase: 'encoding', done, total, unit: 'bytes', detail: spec.name })
    }
    if (calibrated?.size === 0) throw uncalibrated()
    const exact = stored.every(({ codec }) => engine.codecs.get(codec).exact)
    const facts = await factsOf(exact ? postHashes(stored) : undefined)
    const parents = withParent(facts.parents, like?.id)
    const written = await writer.finish({ ...facts, parents })
    return {
      ...written,
      bpw: (8 * written.root.bytes) / Math.max(1, written.root.elements),
      relativeError: relativeError(stored.map(({ loss }) => loss)),
      editError: relativeError(changes),
      ...(like === undefined ? {} : { like: { ...tally, ...sharedWith(like, written) } }),
      ...(calibrated === undefined ? {} : { calibrated: calibrated.size }),
      perTensor: stored.map(describeStored),
    }
  } finally {
    await writer.settle()
  }
}

function postHashes(stored: readonly StoredTensor[]): ReadonlyMap<string, Uint8Array> {
  return new Map(stored.map(({ spec, sha256 }) => [spec.name, sha256]))
}

function checkScope({ specs, codec: { scope } }: DeltaContent): void {
  if (scope === undefined || specs.length === 0) return
  const canonical = canonicalScope(scope)
  if (specs.some((spec) => inScope(canonical, spec))) return
  throw new InvalidInputError('E_EMPTY_SCOPE', `the scope ${scope} reaches no changed tensor`, {
    expected: 'at least one tensor',
    actual: scope,
    fix: `use names such as ${specs[0]!.name}, all or matrices`,
  })
}

/** Whose signs it holds, it is made from. */
function withParent(parents: readonly CID[], like: CID | undefined): readonly CID[] {
  if (like === undefined || parents.some((parent) => parent.equals(like))) return parents
  return [...parents, like]
}

/** Notes the tensors whose activations a codec asks for and gets. */
function counting(context: EncodeContext): {
  readonly context: EncodeContext
  readonly calibrated?: ReadonlySet<string>
} {
  const { calibration } = context
  if (calibration === undefined) return { context }
  const calibrated = new Set<string>()
  const noting: typeof calibration = async (tensor) => {
    const found = await calibration(tensor)
    if (found !== undefined) calibrated.add(tensor)
    return found
  }
  return { context: { ...context, calibration: noting }, calibrated }
}

function uncalibrated(): InvalidInputError {
  return new InvalidInputError('E_CALIBRATION', 'no tensor was fitted to the activations', {
    expected: 'activations of a changed matrix, and a codec with scales of the matrix or of rows',
    actual: 'none that was asked for',
    fix: 'use bitdelta, noise or residual, or leave --calibration out',
  })
}

function sharedWith(
  { id, blocks }: NonNullable<OpenCodec['like']>,
  { sizes }: WrittenDelta,
): Pick<SharedSections, 'id' | 'bytes'> {
  const shared = [...sizes].filter(([cid]) => blocks.has(cid))
  return { id: id.toString(), bytes: shared.reduce((sum, [, bytes]) => sum + bytes, 0) }
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
