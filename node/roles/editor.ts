import {
  InvalidInputError,
  type Mode,
  NotAllowedError,
  planRecipe,
  type Recipe,
  recipeId,
  recipeOf,
} from '../../src/index.ts'
import { isShareable } from '../library.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'
import { checkCodec, type CodecRequest, openCodec } from './codec.ts'
import type { EncodedDelta } from './delta-encoding.ts'
import { type EditPreview, previewEdits, sizesOfDraft } from './edit-preview.ts'
import { type EditRequest, operandsOf, resolveEdits, withEdits } from './edits.ts'
import { materialise } from './materialiser.ts'
import { commonGround, resolveOperand } from './operands.ts'
import { announceDelta, keepDelta, keepRecipe, type Kept, publishRecipe } from './publisher.ts'

export interface VariantRequest {
  /** A delta or a recipe. */
  readonly ref: string
  /** First to last. */
  readonly edits: readonly EditRequest[]
  readonly name?: string | undefined
  readonly mode?: Mode | undefined
  /** For every edit that takes a seed and has none. */
  readonly seed?: number | undefined
  /** Tell peers of it. */
  readonly publish: boolean
  /** Measure what it would do and cost, and keep nothing. */
  readonly dryRun: boolean
  /** Store the edited delta itself, with this codec. */
  readonly materialise?: CodecRequest | undefined
}

export interface Edited extends Kept {
  readonly summary: string
  readonly announced: boolean
  readonly preview?: EditPreview
  readonly encoding?: Pick<EncodedDelta, 'bpw' | 'relativeError' | 'like'>
}

/**
 * Makes a variant of one delta: a recipe over it, whose own bytes are next to nothing, or the
 * edited delta itself. It is kept here; peers hear of it where `publish` is set. Rejects with
 * `NotAllowedError` `E_NOT_SHAREABLE` when peers could not fetch what the recipe names.
 */
export async function edit(
  node: SwarmNode,
  request: VariantRequest,
  options: JobOptions,
): Promise<Edited> {
  const parent = await resolveOperand(node, request.ref, options)
  const steps = await resolveEdits(node, request.edits, { ...options, seed: request.seed })
  const ground = commonGround([parent, ...operandsOf(steps)], request.mode)
  const draft = { ...ground, root: withEdits(parent.recipe.root, steps) }
  const recipe = recipeOf(draft, node.engine)
  const summary = `${steps.map(({ operator }) => operator).join(', ')} of ${parent.name}`
  const { name, publish, dryRun } = request
  const about = { summary, ...(name === undefined ? {} : { name }) }
  if (request.materialise !== undefined) {
    return editDelta(node, recipe, { ...request, codec: request.materialise, summary }, options)
  }
  if (publish) checkShareable(recipe)
  if (dryRun) {
    const preview = await previewEdits(node, recipe, steps.length, options)
    const sizes = await sizesOfDraft(node, recipe)
    const [id, shared] = [recipeId(recipe), isShareable(recipe)]
    return { id, ...sizes, summary, shared, announced: false, preview }
  }
  await checkPlan(node, recipe)
  const kept = publish
    ? await publishRecipe(node, draft, about, options)
    : await keepRecipe(node, recipe, about, options)
  return { ...kept, summary, announced: publish }
}

async function editDelta(
  node: SwarmNode,
  recipe: Recipe,
  request: Omit<VariantRequest, 'materialise'> & { codec: CodecRequest; summary: string },
  options: JobOptions,
): Promise<Edited> {
  const { name, codec, publish, dryRun, edits, summary } = request
  // Said before anything is decoded.
  checkCodec(node, codec)
  if (name === undefined) {
    throw new InvalidInputError('E_NAME_NEEDED', 'a delta needs a name', {
      expected: '--name NAME',
      actual: 'none',
      fix: `deltaswarm edit ${request.ref} … --materialise --name NAME`,
    })
  }
  const opened = await openCodec(node, codec, options)
  const preview = dryRun ? await previewEdits(node, recipe, edits.length, options) : undefined
  const encoded = await materialise(node, { recipe, name, codec: opened }, { ...options, dryRun })
  if (!dryRun) await keepDelta(node, encoded)
  if (!dryRun && publish) await announceDelta(node, encoded)
  const { cid, ownBytes, bpw, relativeError, like } = encoded
  return {
    id: cid,
    ownBytes,
    closureBytes: ownBytes,
    summary,
    shared: true,
    announced: publish && !dryRun,
    encoding: { bpw, relativeError, ...(like === undefined ? {} : { like }) },
    ...(preview === undefined ? {} : { preview }),
  }
}

/** Finds what does not fit, such as a scope that reaches nothing, where the base is at hand. */
async function checkPlan({ bases, library, engine }: SwarmNode, recipe: Recipe): Promise<void> {
  if (!(await bases.known()).has(recipe.base.toString())) return
  await planRecipe(recipe, library.sources, engine)
}

function checkShareable(recipe: Recipe): void {
  if (isShareable(recipe)) return
  throw new NotAllowedError('E_NOT_SHAREABLE', 'it names weights that no peer can fetch', {
    expected: 'a recipe over published deltas',
    actual: 'weights on this machine',
    fix: 'deltaswarm publish the fine-tune first, or leave --publish out',
  })
}
