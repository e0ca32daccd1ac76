import { join } from 'node:path'
import { MalformedError } from '../errors.ts'
import { bytesOf, compareNames, type TensorSpec } from '../tensors/tensor.ts'
import { type OpenCheckpoint, openSafetensors, readSmallFile, resolveInside } from './files.ts'
import { findTensor } from './find-tensor.ts'
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJsonFile,
  quote,
} from './strict-json.ts'

/** A checkpoint in several files and the index that says which tensor lies in which. */

export const INDEX_NAME = 'model.safetensors.index.json'

/** As much as the largest header, since it holds the same names. */
export const MAX_INDEX_BYTES = 16 * 2 ** 20

/** Files held open; the largest public models have about 200 shards. */
const MAX_SHARDS = 1024

/**
 * Opens the shards of a folder. Rejects with `MalformedError` `E_SHARD_INDEX` when a tensor is not
 * in the shard that the index gives, when a shard holds one that the index does not give to it (so
 * none can come twice), or when a shard's name is a path.
 */
export async function openShards(folder: string): Promise<OpenCheckpoint> {
  const source = join(folder, INDEX_NAME)
  const bytes = await readSmallFile(await resolveInside(folder, INDEX_NAME), MAX_INDEX_BYTES)
  const weightMap = parseWeightMap(parseJsonFile(bytes, source).get('weight_map'), source)
  const shards = new Map<string, OpenCheckpoint>()
  const close = async () => {
    for (const shard of shards.values()) await shard.close()
  }
  try {
    for (const file of new Set(weightMap.values())) {
      shards.set(file, await openSafetensors(await resolveInside(folder, file)))
    }
    const tensors = checkShards(weightMap, shards, source)
    return {
      tensors,
      metadata: new Map(),
      async read(name, offset, into) {
        findTensor(tensors, name)
        await shards.get(weightMap.get(name)!)!.read(name, offset, into)
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

export interface Shard {
  readonly file: string
  readonly specs: readonly TensorSpec[]
}

/**
 * Fills shards in the order of names, as transformers does: a tensor that no longer fits begins the
 * next one, and a tensor above `shardBytes` has one for itself. One shard is `model.safetensors`.
 */
export function splitIntoShards(specs: Iterable<TensorSpec>, shardBytes: number): Shard[] {
  const groups: TensorSpec[][] = [[]]
  let bytes = 0
  for (const spec of [...specs].sort((a, b) => compareNames(a.name, b.name))) {
    bytes += bytesOf(spec)
    if (bytes > shardBytes && groups.at(-1)!.length > 0) {
      groups.push([])
      bytes = bytesOf(spec)
    }
    groups.at(-1)!.push(spec)
  }
  return groups.map((specs, i) => ({ file: shardName(i + 1, groups.length), specs }))
}

/** The index of these shards. */
export function indexOf(shards: readonly Shard[]): JsonObject {
  const placed = shards
    .flatMap(({ file, specs }) => specs.map((spec) => ({ file, spec })))
    .sort((a, b) => compareNames(a.spec.name, b.spec.name))
  const total = placed.reduce((sum, { spec }) => sum + bytesOf(spec), 0)
  return new Map<string, JsonValue>([
    ['metadata', new Map([['total_size', total]])],
    ['weight_map', new Map(placed.map(({ file, spec }) => [spec.name, file]))],
  ])
}

function shardName(number: number, of: number): string {
  const [part, whole] = [number, of].map((n) => String(n).padStart(5, '0'))
  return of === 1 ? 'model.safetensors' : `model-${part}-of-${whole}.safetensors`
}

function parseWeightMap(value: JsonValue | undefined, source: string): Map<string, string> {
  if (!isJsonObject(value)) throw badIndex(source, 'an object `weight_map`', typeof value)
  const weightMap = new Map<string, string>()
  for (const [name, file] of value) {
    if (typeof file !== 'string' || !SHARD_NAME.test(file)) {
      const expected = 'the name of a .safetensors file in the same folder'
      throw badIndex(source, expected, quote(file).slice(0, 80))
    }
    weightMap.set(name, file)
  }
  const count = new Set(weightMap.values()).size
  if (count > MAX_SHARDS) throw badIndex(source, `at most ${MAX_SHARDS} shards`, String(count))
  return weightMap
}

const SHARD_NAME = /^[^./\\:\p{Cc}][^/\\:\p{Cc}]{0,250}\.safetensors$/u

function checkShards(
  weightMap: ReadonlyMap<string, string>,
  shards: ReadonlyMap<string, OpenCheckpoint>,
  source: string,
): ReadonlyMap<string, TensorSpec> {
  const specs: TensorSpec[] = []
  for (const [file, shard] of shards) {
    for (const [name, spec] of shard.tensors) {
      const listed = weightMap.get(name)
      if (listed !== file) {
        throw badIndex(source, `${quote(name)} in ${listed ?? 'no shard'}`, `it is in ${file}`)
      }
      specs.push(spec)
    }
  }
  for (const [name, file] of weightMap) {
    if (!shards.get(file)!.tensors.has(name)) {
      throw badIndex(source, `${quote(name)} in ${file}`, 'it is not there')
    }
  }
  specs.sort((a, b) => compareNames(a.name, b.name))
  return new Map(specs.map((spec) => [spec.name, spec]))
}

function badIndex(source: string, expected: string, actual: string): MalformedError {
  return new MalformedError('E_SHARD_INDEX', `${source}: expected ${expected}, got ${actual}`, {
    expected,
    actual,
    fix: 'download the index and all shards again from one revision',
  })
}
