import { InvalidInputError } from './errors.ts'
import { suggestion } from './registry.ts'

/**
 * One parameter of an operator, a codec or a strategy: its default, its range and a sentence.
 * The table is the only place that knows them; help texts, checks, recipes and search read it.
 */
export type Parameter =
  | {
      readonly type: 'number'
      readonly default: number
      readonly min: number
      readonly max: number
      /** Whole numbers only. */
      readonly integer?: boolean
      /** `search` leaves it alone when true (seeds, for example). */
      readonly fixed?: boolean
      readonly about: string
    }
  | {
      readonly type: 'choice'
      readonly default: string
      readonly options: readonly string[]
      readonly about: string
    }
  /** A list with one number per input; an empty list means the default for every input. */
  | {
      readonly type: 'numbers'
      readonly default: readonly number[]
      readonly min: number
      readonly max: number
      readonly about: string
    }
  /** The id of another registry's entry, checked by its user. */
  | { readonly type: 'id'; readonly default: string; readonly about: string }

export type ParameterTable = Readonly<Record<string, Parameter>>

export type ParameterValue = number | string | readonly number[]

/** A seed: every whole number that a double holds exactly, and nothing for a search to turn. */
export function seedParameter(about: string) {
  return {
    type: 'number',
    default: 0,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    integer: true,
    fixed: true,
    about,
  } as const satisfies Parameter
}

/** Values as recipes and manifests hold them: plain data that dag-cbor can encode. */
export type ParameterValues = Readonly<Record<string, ParameterValue>>

type Value<P extends Parameter> = P extends { type: 'number' }
  ? number
  : P extends { type: 'numbers' }
    ? readonly number[]
    : P extends { type: 'choice'; options: readonly (infer O)[] }
      ? O
      : string

/** The checked values of a table, by name. */
export type ValuesOf<T extends ParameterTable> = { readonly [K in keyof T]: Value<T[K]> }

/**
 * Checks `given` against `table` and fills in defaults, so that two spellings of one thing get one
 * identity. Throws `InvalidInputError` `E_UNKNOWN_PARAMETER` or `E_PARAMETER_RANGE`.
 */
export function checkParameters<T extends ParameterTable>(
  owner: string,
  table: T,
  given: Readonly<Record<string, unknown>>,
): ValuesOf<T> {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(table, name)) continue
    throw new InvalidInputError('E_UNKNOWN_PARAMETER', `${owner} has no parameter '${name}'`, {
      expected: Object.keys(table),
      actual: name,
      fix: Object.keys(table).length === 0 ? 'give none' : suggestion(name, Object.keys(table)),
    })
  }
  const values: Record<string, ParameterValue> = {}
  for (const [name, parameter] of Object.entries(table)) {
    values[name] = checkOne(`${owner}.${name}`, parameter, given[name] ?? parameter.default)
  }
  return values as ValuesOf<T>
}

function checkOne(name: string, parameter: Parameter, value: unknown): ParameterValue {
  switch (parameter.type) {
    case 'number':
      if (inRange(value, parameter) && !(parameter.integer === true && !Number.isInteger(value))) {
        return value + 0 // -0 and 0 are one value
      }
      break
    case 'numbers':
      if (Array.isArray(value) && value.every((item) => inRange(item, parameter))) {
        return value.map((item) => (item as number) + 0)
      }
      break
    case 'choice':
      if (typeof value === 'string' && parameter.options.includes(value)) return value
      break
    case 'id':
      if (typeof value === 'string' && value !== '') return value
      break
  }
  const expected = describeRange(parameter)
  throw new InvalidInputError(
    'E_PARAMETER_RANGE',
    `expected \`${name}\` ${expected}, got ${JSON.stringify(value)}`,
    {
      expected,
      actual: value,
      fix: `give a value in range, or leave it out for ${defaultText(parameter)}`,
      details: { meaning: parameter.about },
    },
  )
}

function defaultText({ default: value }: Parameter): string {
  return Array.isArray(value) ? 'the same for every input' : String(value)
}

function inRange(value: unknown, range: { min: number; max: number }): value is number {
  return (
    typeof value === 'number' && Number.isFinite(value) && value >= range.min && value <= range.max
  )
}

/** The range in words, such as `in [0, 1]`. */
export function describeRange(parameter: Parameter): string {
  switch (parameter.type) {
    case 'number':
      if (parameter.max === Number.MAX_SAFE_INTEGER)
        return `a whole number from ${parameter.min} on`
      return `${parameter.integer === true ? 'a whole number ' : ''}in [${parameter.min}, ${parameter.max}]`
    case 'numbers':
      return `a list of numbers in [${parameter.min}, ${parameter.max}], one per input`
    case 'choice':
      return `one of ${parameter.options.join(', ')}`
    case 'id':
      return 'the id of an entry'
  }
}
