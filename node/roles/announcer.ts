import { MAX_SUMMARY_LENGTH } from '../../protocol/index.ts'
import {
  type CID,
  decodeRoot,
  describeRecipe,
  leavesOf,
  type Recipe,
  recipeId,
  shortId,
} from '../../src/index.ts'
import { isShareable, sizesOf } from '../library.ts'
import type { SwarmNode } from '../node.ts'
import { announceDelta, announceRecipe } from './publisher.ts'

/**
 * Tells peers of those variants that nobody told them of, by the names that they have here: a
 * signed score that nobody can check counts for nothing. Resolves to the ids of what was announced;
 * a base needs no announcement, and a recipe with weights that peers cannot fetch gets none.
 */
export async function announceMeasured(
  node: SwarmNode,
  recipes: readonly Recipe[],
): Promise<readonly CID[]> {
  const known = new Set((await node.library.list()).map(({ cid }) => cid.toString()))
  const announced: CID[] = []
  for (const recipe of recipes) {
    const { root } = recipe
    if ('weights' in root || !isShareable(recipe)) continue
    const id = 'delta' in root ? root.delta : recipeId(recipe)
    if (known.has(id.toString())) continue
    await ('delta' in root ? announceStored(node, id) : announceDescribed(node, recipe))
    announced.push(id)
  }
  return announced
}

async function announceStored(node: SwarmNode, cid: CID): Promise<void> {
  const root = decodeRoot((await node.store.blocks.get(cid))!)
  await announceDelta(node, { cid, root, ...(await sizesOf(node.store, cid)) })
}

async function announceDescribed(node: SwarmNode, recipe: Recipe): Promise<void> {
  const names = new Map<string, string>()
  for (const id of leavesOf(recipe).deltas) {
    names.set(id.toString(), await node.library.nameOf(id))
  }
  const name = (leaf: CID): string => names.get(leaf.toString()) ?? shortId(leaf)
  const summary = describeRecipe(recipe, { ...node.engine, name }).slice(0, MAX_SUMMARY_LENGTH)
  const called = await node.library.localName(recipeId(recipe))
  await announceRecipe(node, recipe, { summary, ...(called === undefined ? {} : { name: called }) })
}
