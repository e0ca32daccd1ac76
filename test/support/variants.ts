import { fileURLToPath } from 'node:url'
import type { CID } from '../../src/canonical.ts'
import { openFolder } from '../../src/checkpoints/folder.ts'
import { weightsId } from '../../src/checkpoints/weights-id.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import type { Kernels } from '../../src/compute/kernels.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { NotFoundError } from '../../src/errors.ts'
import { loadOperators, type Mode, type Scope } from '../../src/operators/index.ts'
import { type DraftNode, recipeOf } from '../../src/recipes/canonical-recipe.ts'
import { openVariant, type Variant } from '../../src/recipes/materialise.ts'
import { planRecipe, type Sources } from '../../src/recipes/plan/plan.ts'
import type { WeightsLeaf } from '../../src/recipes/recipe.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import type { WeightDType } from '../../src/tensors/dtype.ts'

/** The light experts that the demo brings, in the order in which reference figures list them. */
export const experts = ['digits', 'fashion', 'latin', 'kana'] as const

export type DemoModel = 'base' | (typeof experts)[number]

export interface DemoOptions {
  readonly mode?: Mode
  readonly dtype?: WeightDType
  readonly chunkElements?: number
}

/** The base and the four light experts of `node/demo/data`, and variants made from them. */
export interface Demo extends AsyncDisposable {
  readonly kernels: Kernels
  readonly sources: Sources
  /** Leaves by model. */
  readonly leaves: Readonly<Record<DemoModel, WeightsLeaf>>
  checkpoint(model: DemoModel): Checkpoint
  /** The variant of any tree over `leaves`. */
  variant(root: DraftNode, options?: DemoOptions): Promise<Variant>
  /** An expert as it is. */
  expert(model: DemoModel): Promise<Variant>
  /** One edit of the kana expert. */
  edit(
    operator: string,
    parameters?: Readonly<Record<string, unknown>>,
    scope?: Scope,
  ): Promise<Variant>
  /** A merge of all four experts, or of what `each` makes of them. */
  merge(
    operator: string,
    parameters?: Readonly<Record<string, unknown>>,
    each?: (leaf: WeightsLeaf, index: number) => DraftNode,
  ): Promise<Variant>
}

export async function openDemo(kernels: Kernels = openKernels()): Promise<Demo> {
  const entries = { operators: await loadOperators(), codecs: await loadCodecs() }
  const names: readonly DemoModel[] = ['base', ...experts]
  const folders = await Promise.all(names.map((name) => openFolder(folderOf(name))))
  const ids: CID[] = []
  for (const { checkpoint } of folders) ids.push((await weightsId(checkpoint)).id)
  const index = new Map(ids.map((id, i) => [id.toString(), folders[i]!.checkpoint]))
  const leaves = Object.fromEntries(
    names.map((name, i) => [name, { weights: ids[i]! }]),
  ) as unknown as Demo['leaves']
  const sources: Sources = {
    delta: (id) => Promise.reject(absent(id)),
    weights: async (id) => index.get(id.toString()) ?? Promise.reject(absent(id)),
  }

  async function variant(root: DraftNode, options: DemoOptions = {}): Promise<Variant> {
    const { chunkElements, ...rest } = options
    const recipe = recipeOf({ ...rest, base: leaves.base.weights, root }, entries)
    const context = { ...entries, kernels, ...(chunkElements !== undefined && { chunkElements }) }
    return openVariant(await planRecipe(recipe, sources, context))
  }

  return {
    kernels,
    sources,
    leaves,
    checkpoint: (model) => folders[names.indexOf(model)]!.checkpoint,
    variant,
    expert: (model) => variant(leaves[model]),
    edit: (operator, parameters = {}, scope) =>
      variant({ operator, parameters, ...(scope && { scope }), inputs: [leaves.kana] }),
    merge: (operator, parameters = {}, each = (leaf) => leaf) =>
      variant({ operator, parameters, inputs: experts.map((name, i) => each(leaves[name], i)) }),
    async [Symbol.asyncDispose]() {
      for (const folder of folders) await folder.close()
    },
  }
}

function folderOf(model: DemoModel): string {
  const name = model === 'base' ? model : `${model}-light`
  return fileURLToPath(new URL(`../../node/demo/data/${name}`, import.meta.url))
}

function absent(id: CID): NotFoundError {
  return new NotFoundError('E_NOT_FOUND', `the demo has no ${id.toString()}`)
}
