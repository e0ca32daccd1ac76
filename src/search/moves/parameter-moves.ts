import type { Operator } from '../../operators/index.ts'
import type { Parameter, ParameterValue } from '../../parameters.ts'
import type { Entries } from '../../recipes/canonical-recipe.ts'
import type { OperatorNode, RecipeNode } from '../../recipes/recipe.ts'

/** A number that is nearly 0 still moves by this share of its range. */
const SMALLEST_REACH = 0.05

/** Digits that a proposed number keeps: people read recipes, and 0.2 + 0.1 is meant to be 0.3. */
const DIGITS = 6

/** What rounding leaves of 0.15 − 0.15, as a share of the range, is meant to be 0. */
const DUST = 1e-9

/**
 * Every tree that differs from `node` in one parameter of one operator: a number or a per-input
 * weight one step up or down, or, at level 0, another option of a choice. Steps halve from level to
 * level. Parameters that their table calls fixed stay: a seed that wins on a suite has won by luck.
 * An edit that would then give back its input is left out.
 */
export function* parameterMoves(
  node: RecipeNode,
  entries: Entries,
  level: number,
): Iterable<RecipeNode> {
  if (!('operator' in node)) return
  const operator = entries.operators.get(node.operator)
  for (const [name, parameter] of Object.entries(tableOf(node, entries))) {
    const value = node.parameters[name] ?? parameter.default
    for (const moved of valueMoves(parameter, value, node.inputs.length, level)) {
      const changed = withParameter(node, name, moved, entries)
      if (!changesNothing(operator, changed)) yield changed
    }
  }
  for (const [i, input] of node.inputs.entries()) {
    for (const moved of parameterMoves(input, entries, level)) {
      yield { ...node, inputs: node.inputs.with(i, moved) }
    }
  }
}

/** The numbers one step of `level` above and below `value` that lie in the range. */
export function numberMoves(
  { min, max, integer = false }: { min: number; max: number; integer?: boolean },
  value: number,
  level: number,
): number[] {
  const range = max - min
  const reach = Math.min(range, 2 * Math.max(Math.abs(value), SMALLEST_REACH * range))
  const step = reach / 2 ** (level + 2)
  const rounded = integer ? Math.max(1, Math.round(step)) : step
  return [value - rounded, value + rounded]
    .map((moved) => (Math.abs(moved) < DUST * range ? 0 : Number(moved.toPrecision(DIGITS))))
    .filter((moved) => moved >= min && moved <= max && moved !== value)
}

function valueMoves(
  parameter: Parameter,
  value: ParameterValue,
  inputs: number,
  level: number,
): readonly ParameterValue[] {
  switch (parameter.type) {
    case 'number':
      return parameter.fixed === true ? [] : numberMoves(parameter, value as number, level)
    case 'numbers': {
      const given = value as readonly number[]
      const values = given.length > 0 ? given : Array.from({ length: inputs }, () => 1)
      return values.flatMap((one, i) =>
        numberMoves(parameter, one, level).map((moved) => values.with(i, moved)),
      )
    }
    case 'choice':
      return level > 0 ? [] : parameter.options.filter((option) => option !== value)
    case 'id':
      return []
  }
}

/** An edit that gives back its input: the same weights as without it, and not worth measuring. */
function changesNothing({ kind, identity }: Operator, { parameters }: OperatorNode): boolean {
  if (kind !== 'edit' || identity === undefined) return false
  return Object.entries(identity).every(([name, value]) => parameters[name] === value)
}

/** Another option may make parameters of the node meaningless, which are then left out. */
function withParameter(
  node: OperatorNode,
  name: string,
  value: ParameterValue,
  entries: Entries,
): OperatorNode {
  const changed = { ...node, parameters: { ...node.parameters, [name]: value } }
  const table = tableOf(changed, entries)
  const known = Object.entries(changed.parameters).filter(([each]) => Object.hasOwn(table, each))
  return { ...changed, parameters: Object.fromEntries(known) }
}

function tableOf({ operator: id, parameters }: OperatorNode, { operators, codecs }: Entries) {
  const operator = operators.get(id)
  return operator.parametersFor?.(parameters, codecs) ?? operator.parameters
}
