import type { Entries } from '../../recipes/canonical-recipe.ts'
import type { RecipeNode } from '../../recipes/recipe.ts'
import { numberMoves } from './parameter-moves.ts'

/**
 * Every tree that puts one more edit on top of `node`: going a step further along the whole delta or
 * not as far (EXPO), and, at level 0, each other edit but controls with its defaults on a leaf. An edit
 * is never put on one of its own kind.
 */
export function* wrapMoves(
  node: RecipeNode,
  { operators }: Entries,
  level: number,
): Iterable<RecipeNode> {
  const top = 'operator' in node ? node.operator : undefined
  const alpha = operators.has('scale') ? operators.get('scale').parameters['alpha'] : undefined
  if (alpha?.type === 'number' && top !== 'scale') {
    for (const moved of numberMoves(alpha, alpha.default, level)) {
      yield { operator: 'scale', parameters: { alpha: moved }, inputs: [node] }
    }
  }
  if (top !== undefined || level > 0) return
  for (const id of operators.ids) {
    const { kind, control } = operators.get(id)
    if (id === 'scale' || kind !== 'edit' || control === true) continue
    yield { operator: id, parameters: {}, inputs: [node] }
  }
}
