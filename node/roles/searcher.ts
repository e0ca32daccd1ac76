import { type CID, type Recipe, recipeId, referencesOf, sha256 } from '../../src/index.ts'
import type { JobOptions } from '../job-options.ts'
import type { SwarmNode } from '../node.ts'
import { publishRecipe } from './publisher.ts'

export interface ProposeRequest {
  readonly champion: CID
  readonly strategy: string
  readonly count: number
  /** A round's number, or anything that makes the next call differ. */
  readonly seed: number
}

/**
 * Proposes variants around a champion, whose recipe is fetched when it is not here, with what each
 * is judged against, and announces them all. The seed is mixed with the node's peer id, so that
 * nodes that search side by side do not repeat each other.
 */
export async function propose(
  node: SwarmNode,
  { champion, strategy, count, seed }: ProposeRequest,
  options: JobOptions,
): Promise<readonly CID[]> {
  const known = await node.library.variants()
  const recipe = known.get(champion.toString()) ?? (await node.library.recipe(champion, options))
  const proposals = node.engine.strategies.get(strategy).propose({
    ...node.engine,
    champion: recipe,
    tried: known,
    count,
    seed: mixedSeed(node.peer, seed),
  })
  // A proposal says little without what it is judged against, so that is proposed along with it.
  const references = proposals.flatMap((proposal) => referencesOf(proposal, node.engine))
  const proposed = new Map<string, Recipe>()
  for (const recipe of [...proposals, ...references]) {
    const id = recipeId(recipe).toString()
    if (!known.has(id)) proposed.set(id, recipe)
  }
  for (const recipe of proposed.values()) {
    await publishRecipe(node, recipe, { summary: `proposed by ${strategy}` }, options)
  }
  return [...proposed.values()].map(recipeId)
}

function mixedSeed(peer: string, seed: number): number {
  const digest = sha256(Buffer.from(`search\0${peer}\0${seed}`))
  return Buffer.from(digest).readUInt32LE(0)
}
