import {
  type CID,
  type CodecChoice,
  compareCheckpoints,
  createCodecChooser,
  deltaTensor,
  elementsOf,
  encodeTensor,
  IncompatibleError,
  InvalidInputError,
  openFolder,
  type RecipeDraft,
  recipeOf,
  relativeError,
  type StoredTensor,
  weightsId,
} from '../../src/index.ts'
import { createDeltaWriter } from '../../protocol/index.ts'
import { isShareable, sizesOf } from '../library.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'
import { type EditStep, openEdits } from './edits.ts'

export interface PublishRequest {
  readonly post: string
  readonly base: string
  readonly name: string
  readonly codec: CodecChoice
  /** Edits applied before encoding, first to last. */
  readonly edits: readonly EditStep[]
  readonly licence: string
  /** Ids of the deltas this one was made from. */
  readonly parents?: readonly CID[]
}

export interface Published {
  readonly id: CID
  readonly variant: CID
  readonly tensors: number
  readonly elements: number
  /** Bytes of all of its blocks. */
  readonly bytes: number
  /** Stored bits per changed weight, without the manifest. */
  readonly bpw: number
  /** ‖Δ̂ − Δ‖ ÷ ‖Δ‖ of the whole delta as it was encoded, after its edits; 0 when nothing is lost. */
  readonly relativeError: number
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
 * Publishes the difference of two checkpoints: encoded tensor by tensor into blocks, made durable, and
 * announced. Nothing is visible before the announcement, which comes last.
 */
export async function publish(
  node: SwarmNode,
  request: PublishRequest,
  options: JobOptions,
): Promise<Published> {
  const { engine, store, library, author } = node
  const base = await node.bases.register(request.base, options)
  const post = await openFolder(request.post)
  try {
    checkArchitecture(base.folder.architecture, post.architecture)
    const { changed } = await compareCheckpoints(base.folder.checkpoint, post.checkpoint, {
      signal: options.signal,
      onProgress: (done, total) => options.onProgress({ phase: 'comparing', done, total }),
    })
    if (changed.length === 0) {
      throw new InvalidInputError('E_NO_DIFFERENCE', 'the two checkpoints hold the same weights', {
        expected: 'a fine-tune of the base',
        actual: 'no changed tensor',
        fix: 'check which folder is the fine-tune',
      })
    }
    const chooseCodec = createCodecChooser(request.codec, engine)
    // Edits move and drop values, so that a NaN could slip past the codec that would refuse it.
    if (request.edits.length > 0) {
      for (const spec of changed) {
        const plain = deltaTensor(base.folder.checkpoint, post.checkpoint, spec, engine.kernels)
        for await (const _ of plain.chunks()) options.signal.throwIfAborted()
      }
    }
    const edited = await openEdits(node, base, post, request.edits, options)
    const writer = createDeltaWriter(store.blocks)
    const stored: StoredTensor[] = []
    for (const [i, spec] of changed.entries()) {
      options.signal.throwIfAborted()
      const tensor =
        edited?.tensor(spec.name) ??
        deltaTensor(base.folder.checkpoint, post.checkpoint, spec, engine.kernels)
      const codec = await chooseCodec(tensor, options)
      await writer.add(async (sink) => {
        const encoded = await encodeTensor(tensor, codec, sink, engine)
        stored.push(encoded)
        return encoded
      })
      const done = i + 1
      options.onProgress({ phase: 'encoding', done, total: changed.length, detail: spec.name })
    }
    const isExact =
      request.edits.length === 0 && stored.every(({ codec }) => engine.codecs.get(codec).exact)
    const postId = isExact
      ? (await weightsId(post.checkpoint, { signal: options.signal })).id
      : undefined
    const { cid, root, ownBytes } = await writer.finish({
      base: base.id,
      ...(postId === undefined ? {} : { post: postId }),
      // Weights without a configuration can be stored, merged and written, only not measured.
      architecture: base.folder.architecture ?? post.architecture ?? 'unknown',
      author: node.peer,
      name: request.name,
      licence: request.licence,
      parents: [...(request.parents ?? [])],
    })
    await store.blocks.flush()
    await store.names.set(request.name, cid.toString())
    await author.announce({
      kind: 'delta',
      root: cid,
      name: request.name,
      base: base.id,
      bytes: ownBytes,
      closureBytes: ownBytes,
      summary: `${root.architecture} delta, ${Object.keys(root.codecs).join(' + ')}`,
    })
    const variant = await library.keep(recipeOf({ base: base.id, root: { delta: cid } }, engine))
    await store.blocks.flush()
    return {
      id: cid,
      variant,
      tensors: root.tensors,
      elements: root.elements,
      bytes: ownBytes,
      bpw: (8 * root.bytes) / root.elements,
      relativeError: relativeError(stored.map(({ loss }) => loss)),
      perTensor: stored.map(describeStored),
    }
  } finally {
    await post.close()
  }
}

function describeStored(tensor: StoredTensor): PublishedTensor {
  const { spec, codec, parameters, bytes, loss } = tensor
  return {
    name: spec.name,
    codec,
    parameters,
    // A changed tensor has an element.
    bpw: (8 * bytes) / elementsOf(spec.shape),
    relativeError: relativeError([loss]),
  }
}

export interface Kept {
  readonly id: CID
  readonly ownBytes: number
  readonly closureBytes: number
  /** False when the recipe names weights that peers cannot fetch; it is then not announced. */
  readonly shared: boolean
}

/** Keeps a recipe under a name and announces it when peers can fetch all that it names. */
export async function publishRecipe(
  node: SwarmNode,
  draft: RecipeDraft,
  { name, summary }: { readonly name?: string; readonly summary: string },
  options: JobOptions,
): Promise<Kept> {
  const { engine, store, library, author } = node
  const recipe = recipeOf(draft, engine)
  const id = await library.keep(recipe)
  await library.ensure(id, options)
  await store.blocks.flush()
  const sizes = await sizesOf(store, id)
  const shared = isShareable(recipe)
  if (name !== undefined) await store.names.set(name, id.toString())
  if (shared) {
    await author.announce({
      kind: 'recipe',
      root: id,
      name: name ?? '',
      base: recipe.base,
      bytes: sizes.ownBytes,
      closureBytes: sizes.closureBytes,
      summary,
    })
  }
  return { id, ...sizes, shared }
}

function checkArchitecture(base: string | undefined, post: string | undefined): void {
  if (base === undefined || post === undefined || base === post) return
  throw new IncompatibleError(
    'E_ARCHITECTURE',
    'the two checkpoints are of different architectures',
    {
      expected: base,
      actual: post,
      fix: 'give the base that this fine-tune was made from',
    },
  )
}
