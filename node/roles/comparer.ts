import { blocksBelow } from '../../protocol/index.ts'
import {
  type CID,
  compareDeltas,
  type EncodedTensor,
  IncompatibleError,
  InvalidInputError,
  type ModelFolder,
  openFolder,
  planRecipe,
  type Recipe,
  recipeId,
  recipeOf,
  type Sources,
  type TensorComparison,
  weightsId,
} from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'
import { type Operand, resolveOperand } from './operands.ts'

export interface CompareRequest {
  /** References of deltas or recipes, or absolute paths of folders or files. */
  readonly a: string
  readonly b: string
  /** Folder of the base, where neither side tells it or nobody has said where it lies. */
  readonly base?: string | undefined
}

/** One of two variants that are compared. */
export interface ComparedSide extends Operand {
  readonly id: CID
  /** How its tensors are stored, where it is a delta. */
  readonly stored: ReadonlyMap<string, EncodedTensor>
}

/** Blocks below both roots by CID: what need not be fetched again. */
export interface SharedBlocks {
  readonly bytesA: number
  readonly bytesB: number
  readonly sharedBytes: number
  readonly sharedBlocks: number
}

export interface VariantComparison {
  readonly a: ComparedSide
  readonly b: ComparedSide
  readonly tensors: readonly TensorComparison[]
  /** Absent where a side lies in a folder. */
  readonly blocks?: SharedBlocks
}

/**
 * Compares two variants of one base, tensor by tensor. Rejects with `IncompatibleError`
 * `E_BASE_MISMATCH` when they have different ones, and with `InvalidInputError` `E_BASE_NEEDED` for
 * two folders without a base.
 */
export async function compareVariants(
  node: SwarmNode,
  { a: refA, b: refB, base }: CompareRequest,
  options: JobOptions,
): Promise<VariantComparison> {
  const known = (ref: string) =>
    isPath(ref) ? Promise.resolve(undefined) : resolveOperand(node, ref, options)
  const [knownA, knownB] = [await known(refA), await known(refB)]
  const baseId = await baseOf(node, [knownA, knownB], base, options)
  const folders: ModelFolder[] = []
  const posts = new Map<string, ModelFolder>()
  const openSide = async (ref: string): Promise<Operand & { id: CID }> => {
    const folder = await openFolder(ref)
    folders.push(folder)
    const { id } = await weightsId(folder.checkpoint, {
      signal: options.signal,
      onProgress: (done, total) =>
        options.onProgress({ phase: 'hashing weights', done, total, unit: 'bytes', detail: ref }),
    })
    posts.set(id.toString(), folder)
    const recipe = recipeOf({ base: baseId, root: { weights: id } }, node.engine)
    return { id: recipeId(recipe), name: ref, recipe }
  }
  try {
    const [a, b] = [knownA ?? (await openSide(refA)), knownB ?? (await openSide(refB))]
    const { delta, weights } = node.library.sources
    const sources: Sources = {
      delta,
      weights: async (id) => posts.get(id.toString())?.checkpoint ?? weights(id),
    }
    const planA = await planRecipe(a.recipe, sources, node.engine)
    const planB = await planRecipe(b.recipe, sources, node.engine)
    const tensors = await compareDeltas(planA, planB, {
      signal: options.signal,
      onProgress: (done, total) =>
        options.onProgress({ phase: 'comparing', done: 4 * done, total: 4 * total, unit: 'bytes' }),
    })
    return {
      a: { ...a, stored: await storedTensors(a.recipe, sources) },
      b: { ...b, stored: await storedTensors(b.recipe, sources) },
      tensors,
      ...(knownA === undefined || knownB === undefined
        ? {}
        : { blocks: await sharedBlocks(node, knownA.id, knownB.id) }),
    }
  } finally {
    await Promise.all(folders.map((folder) => folder.close()))
  }
}

function isPath(reference: string): boolean {
  return reference.startsWith('/')
}

/** The base of both; where its folder is given it is checked. */
async function baseOf(
  { bases }: SwarmNode,
  sides: readonly ((Operand & { id: CID }) | undefined)[],
  given: string | undefined,
  options: JobOptions,
): Promise<CID> {
  const [first, second] = sides.filter((side) => side !== undefined)
  if (first === undefined) {
    if (given !== undefined) return (await bases.register(given, options)).id
    throw new InvalidInputError('E_BASE_NEEDED', 'two folders are compared over a base', {
      expected: '--base DIR',
      actual: 'none',
      fix: 'give the folder of the base that both were made from with --base',
    })
  }
  const { base } = first.recipe
  const [expected, actual] = [first, second ?? first].map(({ recipe }) => recipe.base.toString())
  if (actual !== expected) {
    throw new IncompatibleError(
      'E_BASE_MISMATCH',
      `${first.name} and ${second?.name} were made against different bases`,
      {
        expected,
        actual,
        fix: 'compare variants of one base',
      },
    )
  }
  if (given !== undefined) await bases.require(given, base, options)
  return base
}

async function storedTensors(
  { root }: Recipe,
  sources: Sources,
): Promise<ReadonlyMap<string, EncodedTensor>> {
  return 'delta' in root ? (await sources.delta(root.delta)).tensors : new Map()
}

async function sharedBlocks({ store }: SwarmNode, a: CID, b: CID): Promise<SharedBlocks> {
  const ofA = new Set<string>()
  const found = { bytesA: 0, bytesB: 0, sharedBytes: 0, sharedBlocks: 0 }
  for await (const { cid, bytes } of blocksBelow(store.blocks, a)) {
    ofA.add(cid.toString())
    found.bytesA += bytes
  }
  for await (const { cid, bytes } of blocksBelow(store.blocks, b)) {
    found.bytesB += bytes
    if (!ofA.has(cid.toString())) continue
    found.sharedBytes += bytes
    found.sharedBlocks++
  }
  return found
}
