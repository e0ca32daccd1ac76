import { DeltaswarmError } from '../../errors.ts'
import { type Entries, recipeOf } from '../../recipes/canonical-recipe.ts'
import type { Recipe } from '../../recipes/recipe.ts'

/** Nothing for a tree that breaks a rule which no table states, such as the depth of a recipe. */
export function normalised(recipe: Recipe, entries: Entries): Recipe | undefined {
  try {
    return recipeOf(recipe, entries)
  } catch (error) {
    if (error instanceof DeltaswarmError) return undefined
    throw error
  }
}
