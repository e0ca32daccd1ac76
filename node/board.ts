import {
  bestOf,
  type Board,
  type CID,
  compareOnBoard,
  type Comparison,
  DeltaswarmError,
  rank,
  type Recipe,
  recipeId,
  recipeOf,
  referencesOf,
  type ScoreRecord,
  viewRoot,
} from '../src/index.ts'
import { peerIdOf } from '../protocol/index.ts'
import type { SwarmNode } from './node.ts'
import type { OpenSuite } from './suites.ts'

/** A node's view of one suite, with what it needs to say in words who is compared with whom. */
export interface View {
  readonly board: Board
  /** Recipes that this node can name, by variant id. */
  readonly recipes: ReadonlyMap<string, Recipe>
  /** Hash of everything that counts; two nodes with equal roots have equal boards. */
  readonly root: string
}

export async function viewSuite(
  node: SwarmNode,
  suite: OpenSuite,
  init: { minMeasurers?: number; minShards?: number } = {},
): Promise<View> {
  const records = await scoreRecords(node, suite.id)
  return {
    board: rank({ records, suite: suite.frame, ...init }),
    recipes: await node.library.variants(),
    root: viewRoot(records),
  }
}

/** Signed scores as the leaderboard folds them. */
export async function scoreRecords(node: SwarmNode, suite: CID): Promise<ScoreRecord[]> {
  return (await node.store.records.scores(suite)).map(({ id, record }) => ({
    ...record.body,
    id: id.toString(),
    author: peerIdOf(record.author),
    seq: record.seq,
  }))
}

/**
 * Compares a variant with what it is judged against: an edit with its parent, a merge with its best
 * operand, a delta with the base; or all with `against`. `undefined` while one of the two has not
 * been measured enough.
 */
export function judgeVariant(
  node: SwarmNode,
  { board, recipes }: View,
  variant: CID,
  against?: CID,
): Comparison | undefined {
  const recipe = recipes.get(variant.toString())
  if (recipe === undefined) return undefined
  const reference = against ?? bestOf(board, candidatesFor(node, recipe))
  if (reference === undefined) return undefined
  return compareOnBoard(board, { variant, reference, base: baseVariant(node, recipe.base) })
}

/** None for a recipe that somebody announced in words unknown here: it still has its place. */
function candidatesFor(node: SwarmNode, recipe: Recipe): readonly CID[] {
  try {
    return referencesOf(recipe, node.engine).map(recipeId)
  } catch (error) {
    if (error instanceof DeltaswarmError) return []
    throw error
  }
}

/** The variant id of an unedited base. */
export function baseVariant(node: SwarmNode, base: CID): CID {
  return recipeId(recipeOf({ base, root: { weights: base } }, node.engine))
}

/** The best variant of a board, or `undefined` when none has a place. */
export function championOf({ board }: View): CID | undefined {
  return board.standings[0]?.variant
}
