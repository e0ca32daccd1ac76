import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InvalidInputError } from './errors.ts'

/** Things of one kind by id, in the order of their ids. */
export interface Registry<T> {
  readonly kind: string
  readonly ids: readonly string[]
  /** Throws `InvalidInputError` `E_UNKNOWN_<KIND>` that names the nearest id. */
  get(id: string): T
  has(id: string): boolean
}

/**
 * Loads every module of the folder that `contract` (an `import.meta.url`) stands in, apart from the
 * contract itself: each must export one object under the name `kind` whose `id` is its file name.
 * This is what makes adding an operator, a codec or a strategy the same as adding one file. It
 * reads code, never data, and works on sources and on compiled files alike.
 */
export async function loadRegistry<T extends { readonly id: string }>(
  kind: string,
  contract: string,
): Promise<Registry<T>> {
  const own = fileURLToPath(contract)
  const extension = own.endsWith('.ts') ? '.ts' : '.js'
  const files = readdirSync(fileURLToPath(new URL('.', contract)))
    .filter((name) => name.endsWith(extension) && !name.endsWith('.d.ts') && name !== basename(own))
    .toSorted()
  const entries = new Map<string, T>()
  for (const file of files) {
    const module = (await import(new URL(file, contract).href)) as Record<string, unknown>
    const entry = module[kind] as T | undefined
    const id = basename(file, extension)
    if (entry?.id !== id) {
      throw new Error(`${file} must export a ${kind} with id '${id}', got '${String(entry?.id)}'`)
    }
    entries.set(id, entry)
  }
  return registryOf(kind, [...entries.values()])
}

/** A registry of given entries, for tests and for callers that restrict what is known. */
export function registryOf<T extends { readonly id: string }>(
  kind: string,
  entries: readonly T[],
): Registry<T> {
  const byId = new Map(entries.map((entry) => [entry.id, entry]))
  const ids = [...byId.keys()].toSorted()
  return {
    kind,
    ids,
    has: (id) => byId.has(id),
    get(id) {
      const entry = byId.get(id)
      if (entry !== undefined) return entry
      throw new InvalidInputError(
        `E_UNKNOWN_${kind.toUpperCase()}`,
        `there is no ${kind} '${id}'`,
        { expected: ids, actual: id, fix: suggestion(id, ids) },
      )
    },
  }
}

/** The way out for whoever wrote `id` where one of `ids` was meant. */
export function suggestion(id: string, ids: readonly string[]): string {
  const nearest = ids.toSorted((a, b) => distance(id, a) - distance(id, b))[0]
  return nearest !== undefined && distance(id, nearest) <= Math.max(2, id.length / 3)
    ? `did you mean ${nearest}?`
    : `use one of ${ids.join(', ')}`
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + cost)
    }
    row = next
  }
  return row[b.length]!
}
