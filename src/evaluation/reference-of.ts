import { type Entries, recipeOf } from '../recipes/canonical-recipe.ts'
import type { Recipe, RecipeNode } from '../recipes/recipe.ts'

/**
 * The variants that a recipe is judged against. A chain of edits is judged against the delta or
 * merge under it; a merge against its operands without their edits, of which `bestOf` names the
 * best on a suite; a published delta against the base; the base against nothing. What stands under
 * the edits is what somebody published, so it has been measured, and an edit that ruins its operand
 * does not make the merge look good. Throws `InvalidInputError` as `recipeOf` does.
 */
export function referencesOf(recipe: Recipe, entries: Entries): readonly Recipe[] {
  const { root, base, dtype, mode } = recipe
  const isEdit = (node: RecipeNode): boolean =>
    'operator' in node && entries.operators.get(node.operator).kind === 'edit'
  const unedited = (node: RecipeNode): RecipeNode =>
    'operator' in node && isEdit(node) ? unedited(node.inputs[0]!) : node
  const variantOf = (node: RecipeNode): Recipe => {
    const output = dtype === undefined ? {} : { dtype }
    // A leaf is the same in every mode, and it was measured under the default one.
    return recipeOf({ base, ...output, ...('operator' in node && { mode }), root: node }, entries)
  }

  if (isEdit(root)) return [variantOf(unedited(root))]
  if ('operator' in root) return root.inputs.map((input) => variantOf(unedited(input)))
  if ('weights' in root && root.weights.toString() === base.toString()) return []
  return [variantOf({ weights: base })]
}
