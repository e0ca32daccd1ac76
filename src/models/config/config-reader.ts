import { InvalidInputError, MalformedError } from '../../errors.ts'

/**
 * Reads a `config.json` that nobody vouches for: every value is checked before it becomes a shape.
 * All methods throw `InvalidInputError` `E_UNSUPPORTED_CONFIG` that names the key and its value. A
 * key that is absent or null takes the fallback, which is the default of the reference
 * implementation (transformers 5).
 */
export interface ConfigReader {
  has(key: string): boolean
  /** A whole number in [1, max]. */
  size(key: string, max: number, fallback?: number): number
  /** A number in (0, max]. */
  positive(key: string, max: number, fallback?: number): number
  flag(key: string, fallback: boolean): boolean
  /** Refuses every value but these; says what the architecture has no arithmetic for. */
  allow(key: string, ...supported: readonly unknown[]): void
  /** The reader of a nested object, empty when the key is absent. */
  section(key: string): ConfigReader
  /** Number of entries of a nested object; 0 when the key is absent. */
  entries(key: string): number
  /** The first text of a list, if there is one. */
  first(key: string): string | undefined
  /** Refuses the value of a key for a reason of the caller's. */
  refuse(key: string, expected: string): never
}

/**
 * Takes a parsed object, as a Map or a plain one. Throws `MalformedError` `E_BAD_CONFIG` when
 * `config` is not an object.
 */
export function readConfig(config: unknown, path = ''): ConfigReader {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new MalformedError('E_BAD_CONFIG', `${path || 'config.json'} is not an object`, {
      expected: 'a JSON object',
      actual: config,
    })
  }
  const values: ReadonlyMap<string, unknown> =
    config instanceof Map ? config : new Map(Object.entries(config))
  const reader: ConfigReader = {
    has: (key) => (values.get(key) ?? undefined) !== undefined,
    size(key, max, fallback) {
      const value = values.get(key) ?? fallback
      if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max) {
        return value as number
      }
      return reader.refuse(key, `a whole number in [1, ${max}]`)
    },
    positive(key, max, fallback) {
      const value = values.get(key) ?? fallback
      if (typeof value === 'number' && value > 0 && value <= max) return value
      return reader.refuse(key, `a number in (0, ${max}]`)
    },
    flag(key, fallback) {
      const value = values.get(key) ?? fallback
      return typeof value === 'boolean' ? value : reader.refuse(key, 'true or false')
    },
    allow(key, ...supported) {
      if (!reader.has(key) || supported.includes(values.get(key))) return
      reader.refuse(
        key,
        ['absent', ...supported.map((value) => JSON.stringify(value))].join(' or '),
      )
    },
    section: (key) => readConfig(values.get(key) ?? {}, path ? `${path}.${key}` : key),
    entries(key) {
      const value = values.get(key) ?? {}
      if (value instanceof Map) return value.size
      if (typeof value === 'object' && !Array.isArray(value)) return Object.keys(value).length
      return reader.refuse(key, 'an object')
    },
    first(key) {
      const value = values.get(key)
      const first: unknown = Array.isArray(value) ? value[0] : undefined
      return typeof first === 'string' ? first : undefined
    },
    refuse(key, expected) {
      const actual = values.get(key)
      const got = JSON.stringify(actual)?.slice(0, 80) ?? 'nothing'
      throw new InvalidInputError(
        'E_UNSUPPORTED_CONFIG',
        `expected \`${path}${path && '.'}${key}\` in config.json to be ${expected}, got ${got}`,
        { expected, actual, fix: 'use a checkpoint of a supported architecture' },
      )
    },
  }
  return reader
}
