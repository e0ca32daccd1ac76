import { type ErrorId, MalformedError } from '../errors.ts'

/**
 * JSON from files that others wrote, read by RFC 8259 and nothing more. `JSON.parse` keeps the last
 * of two equal keys, lets `__proto__` vanish into a prototype, rounds 2⁵³ + 1, turns 1e400 into
 * Infinity and follows 200,000 nested arrays; here objects become Maps and each of these is
 * refused.
 */
export type JsonObject = ReadonlyMap<string, JsonValue>

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject

export interface StrictJsonInit {
  /** What the text is, for the error message: a path. */
  readonly source?: string
  /** The id of the error that is thrown. @default 'E_BAD_JSON' */
  readonly id?: ErrorId
  /** Nesting of arrays and objects; configurations of models stay below 10. @default 32 */
  readonly maxDepth?: number
  /** Keys of one object, or items of one array. @default 1_000_000 */
  readonly maxEntries?: number
  /** Refuses every number that is not written as a safe integer. @default false */
  readonly integers?: boolean
}

const strictJsonDefaults = {
  source: 'text',
  id: 'E_BAD_JSON',
  maxDepth: 32,
  maxEntries: 1_000_000,
  integers: false,
} as const satisfies Required<StrictJsonInit>

/**
 * One JSON value with nothing around it but white space. Throws `MalformedError` with `init.id`
 * that names the position on bad syntax, a key that occurs twice, a lone surrogate, a number that
 * is not finite, and anything above the limits.
 */
export function parseStrictJson(text: string, init: StrictJsonInit = {}): JsonValue {
  const { source, id, maxDepth, maxEntries, integers } = { ...strictJsonDefaults, ...init }
  let at = 0

  const root = value(0)
  skipSpace()
  if (at < text.length) refuse('the end of the text')
  return root

  function value(depth: number): JsonValue {
    skipSpace()
    const first = text[at]
    if (first === '{') return object(depth + 1)
    if (first === '[') return array(depth + 1)
    if (first === '"') return string()
    if (first === 't') return word('true', true)
    if (first === 'f') return word('false', false)
    if (first === 'n') return word('null', null)
    return number()
  }

  function object(depth: number): JsonObject {
    const entries = new Map<string, JsonValue>()
    open(depth)
    if (closes('}')) return entries
    do {
      skipSpace()
      const start = at
      if (text[at] !== '"') refuse('a key in quotes')
      const key = string()
      if (entries.has(key)) refuse('every key once', `${quote(key)} a second time`, start)
      if (entries.size === maxEntries) refuse(`at most ${maxEntries} keys in one object`, 'more')
      skipSpace()
      expect(':')
      entries.set(key, value(depth))
    } while (continues('}'))
    return entries
  }

  function array(depth: number): readonly JsonValue[] {
    const items: JsonValue[] = []
    open(depth)
    if (closes(']')) return items
    do {
      if (items.length === maxEntries) refuse(`at most ${maxEntries} items in one array`, 'more')
      items.push(value(depth))
    } while (continues(']'))
    return items
  }

  function string(): string {
    const start = at++
    let escaped = false
    for (;;) {
      PLAIN.lastIndex = at
      PLAIN.test(text)
      at = PLAIN.lastIndex
      if (text[at] === '"') break
      if (text[at] !== '\\') refuse('the end of a string, without raw control characters')
      escaped = true
      ESCAPE.lastIndex = at
      if (!ESCAPE.test(text)) refuse('a known escape')
      at = ESCAPE.lastIndex
    }
    const end = at++
    const result = escaped
      ? (JSON.parse(text.slice(start, at)) as string)
      : text.slice(start + 1, end)
    if (!result.isWellFormed()) refuse('well-formed Unicode', 'a lone surrogate', start)
    return result
  }

  function number(): number {
    NUMBER.lastIndex = at
    const written = NUMBER.exec(text)?.[0]
    if (written === undefined) return refuse('a value')
    const result = Number(written)
    if (integers && !(INTEGER.test(written) && Number.isSafeInteger(result))) {
      refuse('a whole number of magnitude below 2^53', written.slice(0, 40))
    }
    if (!Number.isFinite(result)) refuse('a finite number', written.slice(0, 40))
    at += written.length
    return result
  }

  function word<T>(written: string, meaning: T): T {
    if (!text.startsWith(written, at)) refuse('a value')
    at += written.length
    return meaning
  }

  function open(depth: number): void {
    if (depth > maxDepth) refuse(`nesting of at most ${maxDepth}`, 'more')
    at++
    skipSpace()
  }

  function closes(bracket: string): boolean {
    if (text[at] !== bracket) return false
    at++
    return true
  }

  function continues(bracket: string): boolean {
    skipSpace()
    if (closes(bracket)) return false
    expect(',', bracket)
    return true
  }

  function expect(character: string, otherwise?: string): void {
    if (text[at] !== character) {
      refuse(otherwise === undefined ? `'${character}'` : `'${character}' or '${otherwise}'`)
    }
    at++
  }

  function skipSpace(): void {
    if (text.charCodeAt(at) > 0x20) return
    SPACE.lastIndex = at
    SPACE.test(text)
    at = SPACE.lastIndex
  }

  function refuse(
    expected: string,
    actual: string = at < text.length ? quote(text.slice(at, at + 16)) : 'the end of the text',
    position: number = at,
  ): never {
    throw new MalformedError(
      id,
      `${source}: expected ${expected} at character ${position}, got ${actual}`,
      { expected, actual, fix: 'download the file again, or write it again with its own library' },
    )
  }
}

/** The JSON object that a file in UTF-8 holds. Throws `MalformedError` `E_BAD_JSON`. */
export function parseJsonFile(bytes: Uint8Array, source: string): JsonObject {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new MalformedError('E_BAD_JSON', `${source}: expected UTF-8, got other bytes`, { cause })
  }
  const value = parseStrictJson(text, { source })
  if (isJsonObject(value)) return value
  throw new MalformedError('E_BAD_JSON', `${source}: expected a JSON object`, { actual: text[0] })
}

/** JSON text of a value, two spaces per level, keys in the order of the Maps. */
export function formatJson(value: JsonValue, indent = ''): string {
  const inner = `${indent}  `
  if (value instanceof Map) {
    const entries = [...(value as JsonObject)].map(
      ([key, item]) => `${inner}${JSON.stringify(key)}: ${formatJson(item, inner)}`,
    )
    return entries.length === 0 ? '{}' : `{\n${entries.join(',\n')}\n${indent}}`
  }
  if (Array.isArray(value)) {
    const items = (value as readonly JsonValue[]).map((item) => inner + formatJson(item, inner))
    return items.length === 0 ? '[]' : `[\n${items.join(',\n')}\n${indent}]`
  }
  return JSON.stringify(value)
}

/** JSON text on one line for messages, without a character that could move a terminal's cursor. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.replace(/\p{Cc}/gu, (control) => `\\u00${control.charCodeAt(0).toString(16)}`)
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map
}

const SPACE = /[ \t\n\r]*/y
const PLAIN = /[^"\\\u0000-\u001f]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const INTEGER = /^-?[0-9]+$/
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
