import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  castCheckpoint,
  type CID,
  IncompatibleError,
  type Kernels,
  type ModelFolder,
  NotFoundError,
  openFolder,
  parseCid,
  shortId,
  weightDTypes,
  weightsId,
} from '../src/index.ts'
import type { JobOptions } from './job-options.ts'
import type { Marks } from './storage/marks.ts'

/**
 * The checkpoints on this machine that deltas are measured from, by weights id. A base is never
 * copied: it is read where it lies, and recognised there as long as its files are the same.
 */
export interface Bases {
  /** Hashes a folder (once while its files stay as they are) and remembers it. */
  register(path: string, options: JobOptions): Promise<RegisteredBase>
  /** Rejects with `NotFoundError` `E_BASE_UNKNOWN` when no folder with these weights is known. */
  open(id: CID): Promise<RegisteredBase>
  /**
   * Registers `path` and checks that it is `expected`. Rejects with `IncompatibleError`
   * `E_BASE_DTYPE` when it holds the same weights in another dtype, else `E_BASE_MISMATCH`.
   */
  require(path: string, expected: CID, options: JobOptions): Promise<RegisteredBase>
  known(): Promise<ReadonlyMap<string, string>>
  close(): Promise<void>
}

export interface RegisteredBase {
  readonly id: CID
  readonly path: string
  readonly folder: ModelFolder
}

export function createBases(marks: Marks, kernels: Kernels): Bases {
  const opened = new Map<string, RegisteredBase>()
  /** All to close: a job may still read a folder when its weights are registered from another. */
  const folders: ModelFolder[] = []

  const openAt = async (path: string): Promise<ModelFolder> => {
    const folder = await openFolder(path)
    folders.push(folder)
    return folder
  }

  const remember = async (id: CID, path: string, folder: ModelFolder): Promise<RegisteredBase> => {
    const base = { id, path, folder }
    opened.set(id.toString(), base)
    await marks.set(id.toString(), JSON.stringify({ path, stamp: await stampOf(path) }))
    return base
  }

  const register = async (given: string, options: JobOptions): Promise<RegisteredBase> => {
    const path = resolve(given)
    const stamp = await stampOf(path)
    for (const [id, text] of await marks.all()) {
      const known = JSON.parse(text) as Mark
      if (known.path !== path || known.stamp !== stamp || stamp === '') continue
      return opened.get(id) ?? remember(parseCid(id), path, await openAt(path))
    }
    const folder = await openAt(path)
    const { id } = await weightsId(folder.checkpoint, {
      signal: options.signal,
      onProgress: (done, total) =>
        options.onProgress({ phase: 'hashing weights', done, total, unit: 'bytes', detail: path }),
    })
    return remember(id, path, folder)
  }

  return {
    register,
    async open(id) {
      const text = await marks.get(id.toString())
      const { path, stamp } = (text === undefined ? {} : JSON.parse(text)) as Partial<Mark>
      const now = path === undefined ? '' : await stampOf(path)
      if (path !== undefined && now !== '') {
        const known = opened.get(id.toString())
        if (known !== undefined && now === stamp) return known
        // Files may have changed since: the id is taken again, which costs nothing when they did
        // not.
        const base = await register(path, quiet)
        if (base.id.equals(id)) return base
      }
      throw new NotFoundError(
        'E_BASE_UNKNOWN',
        `the base ${shortId(id)} is not known on this machine`,
        {
          expected: id.toString(),
          actual: path === undefined ? 'no folder with these weights' : `other weights in ${path}`,
          fix: 'name its folder once with --base DIR',
        },
      )
    },
    async require(path, expected, options) {
      const base = await register(path, options)
      if (base.id.toString() === expected.toString()) return base
      const dtype = await otherDType(base, expected, kernels, options)
      const facts = {
        expected: expected.toString(),
        actual: `${base.id.toString()} in ${base.path}`,
      }
      if (dtype !== undefined) {
        throw new IncompatibleError(
          'E_BASE_DTYPE',
          `these are the same weights in another dtype: the delta needs them in ${dtype}`,
          { ...facts, fix: `give the ${dtype} checkpoint with --base` },
        )
      }
      throw new IncompatibleError('E_BASE_MISMATCH', 'the delta was made against another base', {
        ...facts,
        fix: 'give the base it was made against with --base',
      })
    },
    async known() {
      const all = await marks.all()
      return new Map([...all].map(([id, text]) => [id, (JSON.parse(text) as Mark).path] as const))
    },
    async close() {
      await Promise.all(folders.splice(0).map((folder) => folder.close()))
      opened.clear()
    },
  }
}

/** Where a base lay when its id was taken, and the stamp of its files. */
interface Mark {
  readonly path: string
  readonly stamp: string
}

/** Changes when a file with weights, or their index, does; empty when there is nothing to read. */
async function stampOf(path: string): Promise<string> {
  const names = await readdir(path).catch(() => [])
  const files = names.filter((name) => /\.(safetensors|index\.json)$/.test(name)).toSorted()
  const found = await Promise.all(
    [path, ...files.map((name) => join(path, name))].map((file) =>
      stat(file).catch(() => undefined),
    ),
  )
  return found
    .map((file) => (file === undefined ? '' : `${file.size}:${file.mtimeMs}:${file.ino}`))
    .join(',')
    .replace(/^,+$/, '')
}

/** The dtype in which these weights would be the expected ones, if there is one. */
async function otherDType(
  base: RegisteredBase,
  expected: CID,
  kernels: Kernels,
  { signal }: JobOptions,
): Promise<string | undefined> {
  for (const dtype of weightDTypes) {
    const { id } = await weightsId(castCheckpoint(base.folder.checkpoint, dtype, kernels), {
      signal,
    })
    if (id.equals(expected)) return dtype
  }
  return undefined
}

const quiet: JobOptions = { signal: new AbortController().signal, onProgress: () => {} }
