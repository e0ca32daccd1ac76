import {
  calibrationOf,
  type CID,
  compareCheckpoints,
  deltaTensor,
  IncompatibleError,
  InvalidInputError,
  type Mode,
  openFolder,
  openSafetensors,
  type Recipe,
  type RecipeDraft,
  recipeId,
  recipeOf,
  weightsId,
} from '../../src/index.ts'
import type { WrittenDelta } from '../../protocol/index.ts'
import { isShareable, sizesOf } from '../library.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'
import { type CodecRequest, openCodec } from './codec.ts'
import { type EncodedDelta, encodeDelta } from './delta-encoding.ts'
import { type EditStep, openEdits } from './edits.ts'

export interface PublishRequest {
  readonly post: string
  readonly base: string
  readonly name: string
  readonly codec: CodecRequest
  /** Edits applied before encoding, first to last. */
  readonly edits: readonly EditStep[]
  /** Whose reading of them counts; that of what they look at, else the paper's, when it is left out. */
  readonly mode?: Mode | undefined
  readonly licence: string
  /** A file of activations to fit scales to. */
  readonly calibration?: string | undefined
  /** Ids of the deltas this one was made from. */
  readonly parents?: readonly CID[]
  /** Encode and count, but store and announce nothing. */
  readonly dryRun?: boolean
}

export interface Published extends Pick<
  EncodedDelta,
  'bpw' | 'relativeError' | 'editError' | 'like' | 'calibrated' | 'perTensor'
> {
  readonly id: CID
  readonly variant: CID
  readonly tensors: number
  readonly elements: number
  /** Bytes of all of its blocks. */
  readonly bytes: number
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
  const { engine } = node
  const { dryRun = false } = request
  const base = await node.bases.register(request.base, options)
  const post = await openFolder(request.post)
  const activations =
    request.calibration === undefined ? undefined : await openSafetensors(request.calibration)
  try {
    const calibration =
      activations && calibrationOf(activations, base.folder.checkpoint.tensors, engine.kernels)
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
    const codec = await openCodec(node, request.codec, { ...options, calibration })
    const plain = (spec: (typeof changed)[number]) =>
      deltaTensor(base.folder.checkpoint, post.checkpoint, spec, engine.kernels)
    // Edits move and drop values, so that a NaN could slip past the codec that would refuse it.
    if (request.edits.length > 0) {
      for (const spec of changed) {
        for await (const _ of plain(spec).chunks()) options.signal.throwIfAborted()
      }
    }
    const edited = await openEdits(node, base, post, request, options)
    const content = {
      specs: changed,
      codec,
      ...(edited === undefined
        ? { tensor: plain }
        : { tensor: ({ name }: { name: string }) => edited.tensor(name), plain }),
    }
    const factsOf = async (exact?: ReadonlyMap<string, Uint8Array>) => ({
      base: base.id,
      ...(exact && edited === undefined
        ? { post: (await weightsId(post.checkpoint, { signal: options.signal, known: exact })).id }
        : {}),
      // Weights without a configuration can be stored, merged and written, only not measured.
      architecture: base.folder.architecture ?? post.architecture ?? 'unknown',
      author: node.peer,
      name: request.name,
      licence: request.licence,
      parents: [...(request.parents ?? [])],
    })
    const encoded = await encodeDelta(node, content, factsOf, { ...options, dryRun })
    const { cid, root, ownBytes, bpw, relativeError, editError, like, calibrated, perTensor } =
      encoded
    if (!dryRun) {
      await keepDelta(node, encoded)
      await announceDelta(node, encoded)
    }
    return {
      id: cid,
      variant: recipeId(identityOf(node, encoded)),
      tensors: root.tensors,
      elements: root.elements,
      bytes: ownBytes,
      bpw,
      relativeError,
      editError,
      ...(like === undefined ? {} : { like }),
      ...(calibrated === undefined ? {} : { calibrated }),
      perTensor,
    }
  } finally {
    await activations?.close()
    await post.close()
  }
}

/** Makes a delta that was written durable and known here by its name, as a delta and as a variant. */
export async function keepDelta(node: SwarmNode, written: WrittenDelta): Promise<void> {
  const { store, library } = node
  await library.keep(identityOf(node, written))
  await store.blocks.flush()
  await store.names.set(written.root.name, written.cid.toString())
}

/** Tells peers of a delta that is kept here. */
export async function announceDelta(
  { author }: SwarmNode,
  { cid, root, ownBytes }: Pick<WrittenDelta, 'cid' | 'root' | 'ownBytes'>,
): Promise<void> {
  await author.announce({
    kind: 'delta',
    root: cid,
    name: root.name,
    base: root.base,
    bytes: ownBytes,
    closureBytes: ownBytes,
    summary: `${root.architecture} delta, ${Object.keys(root.codecs).join(' + ')}`,
  })
}

export interface Kept {
  readonly id: CID
  readonly ownBytes: number
  readonly closureBytes: number
  /** False when the recipe names weights that peers cannot fetch; it is then not announced. */
  readonly shared: boolean
}

/** Keeps a recipe, with all that it names, under a name on this node. */
export async function keepRecipe(
  { store, library }: SwarmNode,
  recipe: Recipe,
  { name }: { readonly name?: string },
  options: JobOptions,
): Promise<Kept> {
  const id = await library.keep(recipe)
  await library.ensure(id, options)
  await store.blocks.flush()
  if (name !== undefined) await store.names.set(name, id.toString())
  return { id, ...(await sizesOf(store, id)), shared: isShareable(recipe) }
}

/** Keeps a recipe under a name and announces it when peers can fetch all that it names. */
export async function publishRecipe(
  node: SwarmNode,
  draft: RecipeDraft,
  about: { readonly name?: string; readonly summary: string },
  options: JobOptions,
): Promise<Kept> {
  const recipe = recipeOf(draft, node.engine)
  const kept = await keepRecipe(node, recipe, about, options)
  if (kept.shared) await announceRecipe(node, recipe, about)
  return kept
}

/** Tells peers of a recipe that is kept here and that they can fetch. */
export async function announceRecipe(
  { author, store }: SwarmNode,
  recipe: Recipe,
  { name = '', summary }: { readonly name?: string; readonly summary: string },
): Promise<void> {
  const root = recipeId(recipe)
  const { ownBytes: bytes, closureBytes } = await sizesOf(store, root)
  const { base } = recipe
  await author.announce({ kind: 'recipe', root, name, base, bytes, closureBytes, summary })
}

function identityOf({ engine }: SwarmNode, { cid, root }: WrittenDelta): Recipe {
  return recipeOf({ base: root.base, root: { delta: cid } }, engine)
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
