import { createRandom } from '../random.ts'
import { recipeId } from '../recipes/canonical-recipe.ts'
import type { Recipe } from '../recipes/recipe.ts'
import type { SearchState, Strategy } from './index.ts'
import { normalised } from './moves/normalised.ts'
import { parameterMoves } from './moves/parameter-moves.ts'
import { shuffled } from './moves/shuffled.ts'
import { wrapMoves } from './moves/wrap-moves.ts'

/**
 * Step sizes before a champion counts as a local optimum. The first step is half of a value, the
 * last a thirty-second of it: finer than what a suite of a thousand items can tell apart.
 */
const LEVELS = 5

/**
 * Pattern search (Hooke and Jeeves, 1961) on a recipe's parameters: tries the neighbours of the
 * champion in random order and halves the steps when none is left. Whoever finds a better champion
 * starts again from there, with large steps.
 */
export const strategy: Strategy = {
  id: 'hill-climb',
  about: 'changes one parameter of the champion at a time, in steps that halve',
  reference: 'https://doi.org/10.1145/321062.321069',
  propose(state) {
    const { champion, tried, count, seed } = state
    const championId = recipeId(champion).toString()
    const seen = new Set([championId])
    const proposals: Recipe[] = []
    for (let level = 0; level < LEVELS; level++) {
      const random = createRandom('hill-climb', seed, championId, level)
      for (const recipe of shuffled(neighbours(state, level), random)) {
        if (proposals.length >= count) return proposals
        const id = recipeId(recipe).toString()
        if (tried.has(id) || seen.has(id)) continue
        seen.add(id)
        proposals.push(recipe)
      }
    }
    return proposals
  },
}

function neighbours(state: SearchState, level: number): Recipe[] {
  const { champion } = state
  const roots = [
    ...parameterMoves(champion.root, state, level),
    ...wrapMoves(champion.root, state, level),
  ]
  return roots.flatMap((root) => normalised({ ...champion, root }, state) ?? [])
}
