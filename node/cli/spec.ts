import { InvalidInputError } from '../../src/index.ts'

/**
 * `dare=p:0.9,seed:7,scope:*.mlp.*` as a user types it: an entry and its parameters, on which
 * tensors it acts, by which other delta an edit goes (`by:REF`), and with which one a codec shares
 * what it stores (`like:REF`).
 */
export interface Spec {
  readonly id: string
  readonly parameters: Readonly<Record<string, string | number | readonly number[]>>
  readonly scope?: string
  readonly by?: string
  readonly like?: string
}

/** What an entry may be told besides its parameters. */
export type SpecWord = 'scope' | 'by' | 'like'

/**
 * Reads `ID` or `ID=NAME:VALUE,…`, where `words` are no parameters. Numbers are numbers, `1;2;3` is
 * a list of them, everything else is text; whether the names and values fit is the entry's own
 * table's business. Throws `InvalidInputError` `E_SPEC`.
 */
export function parseSpec(text: string, words: readonly SpecWord[] = ['scope']): Spec {
  const [, id, list] = /^([a-z][a-z0-9-]*)(?:=(.*))?$/.exec(text) ?? []
  if (id === undefined) throw badSpec(text)
  const parameters: Record<string, string | number | readonly number[]> = {}
  const told: { [word in SpecWord]?: string } = {}
  for (const pair of list === undefined || list === '' ? [] : list.split(',')) {
    const [, name, value] = /^([a-zA-Z][a-zA-Z0-9-]*):(.+)$/.exec(pair) ?? []
    if (name === undefined || value === undefined) throw badSpec(text)
    if (Object.hasOwn(parameters, name) || Object.hasOwn(told, name)) throw badSpec(text)
    // A pattern or a name is text, whatever it looks like.
    const word = words.find((each) => each === name)
    if (word !== undefined) told[word] = value
    else parameters[name] = valueOf(value)
  }
  return { id, parameters, ...told }
}

/** An edit as `--edit` and `edit` take it. */
export function parseEdit(text: string): Spec {
  return parseSpec(text, ['scope', 'by'])
}

/** A codec as `--codec` takes it. */
export function parseCodec(text: string): Spec {
  return parseSpec(text, ['scope', 'like'])
}

/** `0.5;0.5` or `0.5,0.5` as a list of numbers. Throws `InvalidInputError` `E_SPEC`. */
export function parseNumbers(text: string): readonly number[] {
  const parts = text.split(/[;,]/)
  const numbers = parts.map(Number)
  if (parts.every((part, i) => part.trim() !== '' && Number.isFinite(numbers[i]))) return numbers
  throw new InvalidInputError('E_SPEC', `'${text}' is not a list of numbers`, {
    expected: 'numbers separated by ; or , such as 0.5,0.5',
    actual: text,
    fix: 'give one number per operand',
  })
}

function valueOf(text: string): string | number | readonly number[] {
  if (text.includes(';')) return parseNumbers(text)
  const number = Number(text)
  return text.trim() === '' || Number.isNaN(number) ? text : number
}

function badSpec(text: string): InvalidInputError {
  return new InvalidInputError('E_SPEC', `'${text}' is not of the form ID=NAME:VALUE,…`, {
    expected: 'for example dare=p:0.9,seed:7 or sparse=values:BF16',
    actual: text,
    fix: 'give each parameter once, as name:value, separated by commas',
  })
}
