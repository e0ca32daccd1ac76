import type { CID } from '../canonical.ts'
import type { Operator } from '../operators/index.ts'
import type { ParameterTable, ParameterValue, ParameterValues } from '../parameters.ts'
import type { Entries } from './canonical-recipe.ts'
import type { OperatorNode, Recipe, RecipeNode } from './recipe.ts'

export interface DescribeOptions extends Entries {
  /** What people call a leaf: a delta, a checkpoint or the base. */
  name(leaf: CID): string
}

/**
 * A recipe in one line, such as `ties(dare(a, p=0.9), b; density=0.2)`: of every operator its first
 * parameter and those that differ from their defaults.
 */
export function describeRecipe(recipe: Recipe, options: DescribeOptions): string {
  const describe = (node: RecipeNode): string => {
    if ('delta' in node) return options.name(node.delta)
    if ('weights' in node) return options.name(node.weights)
    const inputs = node.inputs.map(describe).join(', ')
    const settings = settingsOf(node, recipe, options).join(', ')
    const separator = settings === '' ? '' : node.inputs.length > 1 ? '; ' : ', '
    return `${node.operator}(${inputs}${separator}${settings})`
  }
  return describe(recipe.root)
}

function settingsOf(
  { operator: id, parameters, scope }: OperatorNode,
  { mode }: Recipe,
  { operators, codecs }: Entries,
): string[] {
  const operator = operators.has(id) ? operators.get(id) : undefined
  const table = operator === undefined ? {} : tableOf(operator, parameters, codecs)
  const first = Object.keys(table)[0]
  const defaults: Record<string, unknown> = { ...operator?.defaults?.[mode] }
  for (const [name, { default: value }] of Object.entries(table)) defaults[name] ??= value
  const order = [...new Set([...Object.keys(table), ...Object.keys(parameters)])]
  const settings = order
    .filter((name) => Object.hasOwn(parameters, name))
    .filter((name) => name === first || !same(parameters[name]!, defaults[name]))
    .map((name) => `${name}=${shown(parameters[name]!)}`)
  if (scope !== undefined && scope !== operator?.scope) settings.push(`scope=${scope}`)
  return settings
}

/** A codec that is not known here leaves its parameters without defaults. */
function tableOf(
  operator: Operator,
  parameters: ParameterValues,
  codecs: Entries['codecs'],
): ParameterTable {
  try {
    return operator.parametersFor?.(parameters, codecs) ?? operator.parameters
  } catch {
    return operator.parameters
  }
}

function same(a: ParameterValue, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function shown(value: ParameterValue): string {
  return typeof value === 'object' ? `[${value.join(', ')}]` : String(value)
}
