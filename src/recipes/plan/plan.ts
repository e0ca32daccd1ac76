import type { CID } from '../../canonical.ts'
import type { DeltaSource } from '../../codecs/manifest/manifest.ts'
import type { Kernels } from '../../compute/kernels.ts'
import {
  type DeltaswarmError,
  IncompatibleError,
  InvalidInputError,
  LimitError,
} from '../../errors.ts'
import { BLOCK_ELEMENTS, CHUNK_ELEMENTS } from '../../tensors/blocks.ts'
import type { Checkpoint } from '../../tensors/checkpoint.ts'
import { bytesOf, type TensorSpec } from '../../tensors/tensor.ts'
import { type Entries, leavesOf, recipeId, recipeOf } from '../canonical-recipe.ts'
import type { Recipe, RecipeNode } from '../recipe.ts'
import { memoryFor } from './plan-memory.ts'
import {
  countStreams,
  nodeAt,
  type OperatorStep,
  operatorsOf,
  outputSpec,
  type PlanNode,
  zero,
} from './plan-node.ts'
import { checkDelta, checkScopes, checkWeights, createProblems } from './plan-problems.ts'

/** Where leaves come from; each rejects with `NotFoundError` when it has none of that id. */
export interface Sources {
  delta(id: CID): Promise<DeltaSource>
  /** Asked for the base too. */
  weights(id: CID): Promise<Checkpoint>
}

export interface PlanContext extends Entries {
  readonly kernels: Kernels
  /** Elements per chunk, a multiple of `BLOCK_ELEMENTS`; it changes memory and speed, never bytes. */
  readonly chunkElements?: number
}

/** What materialising a recipe will do, known before any weight is read. */
export interface Plan {
  readonly id: CID
  readonly recipe: Recipe
  readonly base: Checkpoint
  readonly root: PlanNode
  /** The resulting tensors by name, in order. */
  readonly tensors: ReadonlyMap<string, TensorSpec>
  /** Names of those that may differ from the base's. */
  readonly changed: readonly string[]
  /** How often the most visited leaf is streamed. */
  readonly passes: number
  /** At most, over all passes. */
  readonly bytesRead: number
  readonly bytesWritten: number
  /** The most bytes of the kernels' memory that are in use at once. */
  readonly memory: number
  readonly chunkElements: number
  readonly context: PlanContext
}

/** Nested statistics multiply passes; more than this over one leaf is refused. */
const MAX_PASSES = 256

/**
 * Reads headers only. Every problem is found before any is thrown: the error is the first one's, and
 * its `details.problems` lists the id and the sentence of each when there are several.
 */
export async function planRecipe(
  recipe: Recipe,
  sources: Sources,
  context: PlanContext,
): Promise<Plan> {
  const { chunkElements = CHUNK_ELEMENTS } = context
  checkChunk(chunkElements)
  const problems = createProblems()
  const id = recipeId(recipe)
  await problems.collect(() => checkSpelling(recipe, id, context))
  const base = await problems.collect(() => sources.weights(recipe.base))
  const leaves = await openLeaves(recipe, base, sources, context, problems)
  problems.throwIfAny()

  const root = resolve(recipe, leaves, context)
  checkScopes(root, base!, problems)
  problems.throwIfAny()
  const tensors = new Map<string, TensorSpec>()
  const changed: string[] = []
  let [bytesRead, bytesWritten, memory, passes] = [0, 0, 0, 0]
  for (const [name, spec] of base!.tensors) {
    const node = nodeAt(root, spec)
    tensors.set(name, outputSpec(spec, recipe.dtype))
    if (node.kind !== 'zero') changed.push(name)
    let most = 1
    countStreams(node, 1, (leaf, times) => {
      most = Math.max(most, times)
      bytesRead += times * (leaf.kind === 'weights' ? bytesOf(spec) : encodedBytes(leaf.source))
    })
    passes = Math.max(passes, most)
    // Operators that are shown other parts than chunks read the base for themselves.
    const readers = 1 + operatorsOf(node).filter(({ unit }) => unit !== 'elements').length
    bytesRead += readers * most * bytesOf(spec)
    bytesWritten += bytesOf(tensors.get(name)!)
    memory = Math.max(memory, memoryFor(node, spec, chunkElements, context.codecs))
  }
  if (passes > MAX_PASSES) throw tooManyPasses(passes)
  return {
    id,
    recipe,
    base: base!,
    root,
    tensors,
    changed,
    passes,
    bytesRead,
    bytesWritten,
    memory,
    chunkElements,
    context,
  }
}

type Leaves = ReadonlyMap<string, PlanNode>

async function openLeaves(
  recipe: Recipe,
  base: Checkpoint | undefined,
  sources: Sources,
  { codecs }: PlanContext,
  problems: ReturnType<typeof createProblems>,
): Promise<Leaves> {
  const leaves = new Map<string, PlanNode>([[recipe.base.toString(), zero]])
  const { deltas, weights } = leavesOf(recipe)
  for (const id of deltas) {
    const source = await problems.collect(() => sources.delta(id))
    if (source === undefined) continue
    leaves.set(id.toString(), { kind: 'delta', source })
    await checkDelta(id, source, { recipe, base, sources, codecs }, problems)
  }
  for (const id of weights) {
    if (id.equals(recipe.base)) continue
    const checkpoint = await problems.collect(() => sources.weights(id))
    if (checkpoint === undefined) continue
    leaves.set(id.toString(), { kind: 'weights', checkpoint })
    if (base !== undefined) checkWeights(id, checkpoint, base, problems)
  }
  return leaves
}

function resolve(recipe: Recipe, leaves: Leaves, { operators }: Entries): PlanNode {
  let index = 0
  const resolveNode = (node: RecipeNode): PlanNode => {
    if ('delta' in node) return leaves.get(node.delta.toString())!
    if ('weights' in node) return leaves.get(node.weights.toString())!
    const operator = operators.get(node.operator)
    const { mode } = recipe
    const inputs = node.inputs.map(resolveNode)
    return {
      kind: 'operator',
      index: index++,
      operator,
      parameters: node.parameters,
      mode,
      scope: node.scope ?? 'all',
      statistic: operator.statistic?.(node.parameters as never, mode),
      unit: operator.unit?.(node.parameters as never, mode) ?? 'elements',
      scratch: operator.scratch?.(inputs.length, mode, node.parameters as never) ?? 0,
      inputs,
    } satisfies OperatorStep
  }
  return resolveNode(recipe.root)
}

/** Two spellings of one variant would have two identities. */
function checkSpelling(recipe: Recipe, id: CID, entries: Entries): void {
  const [expected, actual] = [recipeId(recipeOf(recipe, entries)).toString(), id.toString()]
  if (expected === actual) return
  throw new IncompatibleError('E_RECIPE_SPELLING', 'the recipe is not in its canonical form', {
    expected,
    actual,
    fix: 'use the canonical recipe instead',
  })
}

/** A tensor's share of the delta's bytes, as if all were alike. */
function encodedBytes({ root }: DeltaSource): number {
  return root.tensors === 0 ? 0 : Math.ceil(root.bytes / root.tensors)
}

function checkChunk(elements: number): void {
  if (elements > 0 && elements % BLOCK_ELEMENTS === 0) return
  throw new InvalidInputError(
    'E_PARAMETER_RANGE',
    `expected \`chunkElements\` a multiple of ${BLOCK_ELEMENTS}, got ${elements}`,
    { expected: `a multiple of ${BLOCK_ELEMENTS}`, actual: elements },
  )
}

function tooManyPasses(passes: number): DeltaswarmError {
  return new LimitError('E_RECIPE_PASSES', `the recipe reads an input ${passes} times`, {
    expected: `at most ${MAX_PASSES}`,
    actual: passes,
    fix: 'publish the inner result as a delta and merge that',
  })
}
