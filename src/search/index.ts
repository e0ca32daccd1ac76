import type { Entries } from '../recipes/canonical-recipe.ts'
import type { Recipe } from '../recipes/recipe.ts'
import { loadRegistry, type Registry } from '../registry.ts'

/** What a strategy may look at: no scores but those that made the champion, no clock. */
export interface SearchState extends Entries {
  /** The best recipe so far. */
  readonly champion: Recipe
  /** Ids of recipes, as text, that are not to be proposed again, whoever measured them. */
  readonly tried: { has(recipeId: string): boolean }
  /** How many proposals are wanted at most. */
  readonly count: number
  /** Nodes that search side by side use different seeds. */
  readonly seed: number
}

/**
 * A strategy yields recipes to measure next. It is a pure function: the same state gives the same
 * proposals. They are normalised, valid, distinct, untried and not the champion; an empty list
 * means that there is nothing more to try around this champion.
 */
export interface Strategy {
  readonly id: string
  readonly about: string
  readonly reference: string
  propose(state: SearchState): readonly Recipe[]
}

export function loadStrategies(): Promise<Registry<Strategy>> {
  return loadRegistry<Strategy>('strategy', import.meta.url)
}
