import { cidOfValue } from '../canonical.ts'
import type { ParameterValue } from '../parameters.ts'
import { describeRecipe, type DescribeOptions } from './describe-recipe.ts'
import type { OperatorNode, Recipe, RecipeNode } from './recipe.ts'

/**
 * What tells two recipes apart, a line each, such as `dare: p 0.9 → 0.5`, `ties: also code` or
 * `math → dare(math, p=0.9)`; nothing when they are one recipe.
 */
export function describeDifference(a: Recipe, b: Recipe, options: DescribeOptions): string[] {
  const lines: string[] = []
  const describe = (recipe: Recipe, root: RecipeNode): string =>
    describeRecipe({ ...recipe, root }, options)

  const changed = (what: string, ...values: readonly (ParameterValue | undefined)[]): void => {
    const [before, after] = values.map(spell)
    if (before !== after) lines.push(`${what} ${before} → ${after}`)
  }

  function compare(x: RecipeNode, y: RecipeNode): void {
    if (isSame(x, y)) return
    if (!('operator' in x && 'operator' in y && x.operator === y.operator)) {
      lines.push(`${describe(a, x)} → ${describe(b, y)}`)
      return
    }
    const id = x.operator
    for (const name of new Set([...Object.keys(x.parameters), ...Object.keys(y.parameters)])) {
      changed(`${id}: ${name}`, x.parameters[name], y.parameters[name])
    }
    changed(`${id}: scope`, x.scope, y.scope)
    compareInputs(x, y)
  }

  /** Inputs that both have are left out; the order of the others is that of each recipe. */
  function compareInputs(x: OperatorNode, y: OperatorNode): void {
    const before = x.inputs.filter((input) => !y.inputs.some((other) => isSame(input, other)))
    const after = y.inputs.filter((input) => !x.inputs.some((other) => isSame(input, other)))
    const pairs = Math.min(before.length, after.length)
    for (let i = 0; i < pairs; i++) compare(before[i]!, after[i]!)
    for (const input of before.slice(pairs))
      lines.push(`${x.operator}: without ${describe(a, input)}`)
    for (const input of after.slice(pairs)) lines.push(`${x.operator}: also ${describe(b, input)}`)
  }

  changed('mode', a.mode, b.mode)
  changed('dtype', a.dtype ?? 'of the base', b.dtype ?? 'of the base')
  compare(a.root, b.root)
  return lines
}

function isSame(x: RecipeNode, y: RecipeNode): boolean {
  return cidOfValue(x).equals(cidOfValue(y))
}

function spell(value: ParameterValue | undefined): string {
  if (value === undefined) return 'none'
  return typeof value === 'object' ? `[${value.join(', ')}]` : String(value)
}
