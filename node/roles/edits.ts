import {
  type Deltas,
  type DraftNode,
  type ModelFolder,
  openDeltas,
  planRecipe,
  recipeOf,
  type Scope,
  weightsId,
} from '../../src/index.ts'
import type { RegisteredBase } from '../bases.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'

/** One edit of a chain, as a user asks for it. */
export interface EditStep {
  readonly operator: string
  readonly parameters: Readonly<Record<string, unknown>>
  readonly scope?: Scope | undefined
}

/** Puts a chain of edits over a recipe's node, the first one innermost. */
export function withEdits(node: DraftNode, edits: readonly EditStep[]): DraftNode {
  return edits.reduce<DraftNode>(
    (input, { operator, parameters, scope }) => ({
      operator,
      parameters,
      ...(scope === undefined ? {} : { scope }),
      inputs: [input],
    }),
    node,
  )
}

/** The edited deltas of a fine-tune on disk; `undefined` when there is nothing to edit. */
export async function openEdits(
  { engine }: SwarmNode,
  base: RegisteredBase,
  post: ModelFolder,
  edits: readonly EditStep[],
  { signal }: JobOptions,
): Promise<Deltas | undefined> {
  if (edits.length === 0) return undefined
  const { id } = await weightsId(post.checkpoint, { signal })
  const recipe = recipeOf({ base: base.id, root: withEdits({ weights: id }, edits) }, engine)
  const sources = {
    delta: () => Promise.reject(new Error('edits of a fine-tune name no published delta')),
    weights: async (wanted: typeof id) =>
      wanted.equals(id) ? post.checkpoint : base.folder.checkpoint,
  }
  return openDeltas(await planRecipe(recipe, sources, engine), { signal })
}
