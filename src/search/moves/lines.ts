import type { Parameter } from '../../parameters.ts'
import type { Entries } from '../../recipes/canonical-recipe.ts'
import type { OperatorNode, RecipeNode } from '../../recipes/recipe.ts'

/** All trees that differ from one tree in one number. */
export interface Line {
  readonly parameter: Extract<Parameter, { type: 'number' }>
  /** The tree's own number. */
  readonly value: number
  at(value: number): RecipeNode
}

/**
 * A line for every number in the tree that its table does not call fixed, and the line along the
 * whole delta (EXPO) where that is none of them.
 */
export function linesOf(root: RecipeNode, entries: Entries): Line[] {
  const lines = [...linesIn(root, entries)]
  const isScaled = 'operator' in root && root.operator === 'scale'
  if (isScaled || !entries.operators.has('scale')) return lines
  const scaled = { operator: 'scale', parameters: {}, inputs: [root] }
  const alpha = entries.operators.get('scale').parameters['alpha']
  if (alpha?.type === 'number') lines.push(lineOf(scaled, 'alpha', alpha))
  return lines
}

function* linesIn(node: RecipeNode, entries: Entries): Iterable<Line> {
  if (!('operator' in node)) return
  const operator = entries.operators.get(node.operator)
  const table = operator.parametersFor?.(node.parameters, entries.codecs) ?? operator.parameters
  for (const [name, parameter] of Object.entries(table)) {
    if (parameter.type !== 'number' || parameter.fixed === true) continue
    yield lineOf(node, name, parameter)
  }
  for (const [i, input] of node.inputs.entries()) {
    for (const line of linesIn(input, entries)) {
      yield { ...line, at: (value) => ({ ...node, inputs: node.inputs.with(i, line.at(value)) }) }
    }
  }
}

function lineOf(node: OperatorNode, name: string, parameter: Line['parameter']): Line {
  return {
    parameter,
    value: (node.parameters[name] ?? parameter.default) as number,
    at: (value) => ({ ...node, parameters: { ...node.parameters, [name]: value } }),
  }
}
