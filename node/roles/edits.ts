import {
  type Deltas,
  type DraftNode,
  InvalidInputError,
  type Mode,
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
import { commonGround, type Operand, resolveOperand } from './operands.ts'

/** One edit of a chain, as a user asks for it. */
export interface EditRequest {
  readonly operator: string
  readonly parameters: Readonly<Record<string, unknown>>
  readonly scope?: Scope | undefined
  /** Reference of a delta or a recipe that the edit looks at besides the one it changes. */
  readonly by?: string | undefined
}

/** The same with everything it names at hand. */
export interface EditStep extends Omit<EditRequest, 'by'> {
  readonly by?: Operand | undefined
}

/**
 * Looks up what the edits of a chain name. `seed` is given to every one that takes a seed and has
 * none. Rejects with `InvalidInputError` `E_UNKNOWN_OPERATOR`, or `E_NO_SEED` when none takes it.
 */
export async function resolveEdits(
  node: SwarmNode,
  edits: readonly EditRequest[],
  { seed, ...options }: JobOptions & { readonly seed?: number | undefined },
): Promise<readonly EditStep[]> {
  const steps: EditStep[] = []
  let seeded = false
  for (const { by, ...edit } of edits) {
    const takesSeed = seed !== undefined && hasSeed(node, edit)
    seeded ||= takesSeed
    steps.push({
      ...edit,
      parameters: { ...(takesSeed ? { seed } : {}), ...edit.parameters },
      ...(by === undefined ? {} : { by: await resolveOperand(node, by, options) }),
    })
  }
  if (seed === undefined || seeded) return steps
  throw new InvalidInputError('E_NO_SEED', 'none of these edits draws anything at random', {
    expected: 'an edit with a parameter `seed`',
    actual: edits.map(({ operator }) => operator).join(', '),
    fix: 'leave --seed out',
  })
}

/** Puts a chain of edits over a recipe's node, the first one innermost. */
export function withEdits(node: DraftNode, edits: readonly EditStep[]): DraftNode {
  return edits.reduce<DraftNode>(
    (input, { operator, parameters, scope, by }) => ({
      operator,
      parameters,
      ...(scope === undefined ? {} : { scope }),
      inputs: by === undefined ? [input] : [input, by.recipe.root],
    }),
    node,
  )
}

/** What the edits of a chain look at besides what they change. */
export function operandsOf(edits: readonly EditStep[]): readonly Operand[] {
  return edits.flatMap(({ by }) => by ?? [])
}

/** The edited deltas of a fine-tune on disk; `undefined` when there is nothing to edit. */
export async function openEdits(
  { engine, library }: SwarmNode,
  base: RegisteredBase,
  post: ModelFolder,
  { edits, mode }: { readonly edits: readonly EditStep[]; readonly mode?: Mode | undefined },
  { signal }: JobOptions,
): Promise<Deltas | undefined> {
  if (edits.length === 0) return undefined
  const { id } = await weightsId(post.checkpoint, { signal })
  const plain = recipeOf({ base: base.id, root: { weights: id } }, engine)
  const ground = commonGround([{ name: post.path, recipe: plain }, ...operandsOf(edits)], mode)
  const recipe = recipeOf({ ...ground, root: withEdits(plain.root, edits) }, engine)
  const { delta, weights } = library.sources
  const sources = {
    delta,
    weights: async (wanted: typeof id) => (wanted.equals(id) ? post.checkpoint : weights(wanted)),
  }
  return openDeltas(await planRecipe(recipe, sources, engine), { signal })
}

function hasSeed({ engine }: SwarmNode, { operator: id, parameters }: EditRequest): boolean {
  const operator = engine.operators.get(id)
  const table = operator.parametersFor?.(parameters, engine.codecs) ?? operator.parameters
  return Object.hasOwn(table, 'seed')
}
