import { join } from 'node:path'
import { bytesOf, type TensorSpec } from '../tensors/tensor.ts'
import {
  createFolder,
  readSmallFile,
  resolveInside,
  writeSafetensors,
  writeSmallFile,
} from './files.ts'
import { sideFilesOf } from './folder.ts'
import { INDEX_NAME, indexOf, splitIntoShards } from './shards.ts'
import type { StreamOptions } from './stream.ts'
import { formatJson, type JsonObject } from './strict-json.ts'

/** A model to write. */
export interface FolderContent {
  readonly tensors: Iterable<TensorSpec>
  /**
   * The bytes of one tensor; asked for once per tensor, shard by shard in the order of names,
   * within a shard by falling element size and then by name.
   */
  chunks(name: string): AsyncIterable<Uint8Array>
  /**
   * Only to change it: without it the `config.json` among the side files is copied byte for byte,
   * with it numbers such as 10000.0 are written as 10000.
   */
  readonly config?: JsonObject | undefined
  /** A model folder whose configuration, tokenizer, templates and licence are copied. */
  readonly sideFilesFrom?: string | undefined
  /** @default 5 GB, which is transformers' */
  readonly shardBytes?: number
}

const folderDefaults = { shardBytes: 5e9 } as const

/** tokenizer.json with 256,000 entries and its merges has 34 MB. */
const MAX_SIDE_FILE_BYTES = 128 * 2 ** 20

/**
 * Writes a folder that transformers opens: `model.safetensors`, or shards and their index when it
 * would exceed `shardBytes`. The folder takes its name when all is on disk; before, and after any
 * failure or abort, there is nothing under `path`. `onProgress` counts bytes of tensors. Rejects
 * with `InvalidInputError` `E_TARGET_EXISTS` when the target has contents, and `EnvironmentError`
 * `E_DISK_FULL`.
 */
export async function writeFolder(
  path: string,
  content: FolderContent,
  { signal, onProgress }: StreamOptions = {},
): Promise<void> {
  const { tensors, config, sideFilesFrom, shardBytes } = { ...folderDefaults, ...content }
  const shards = splitIntoShards(tensors, shardBytes)
  const total = shards.flatMap(({ specs }) => specs).reduce((sum, spec) => sum + bytesOf(spec), 0)
  await createFolder(path, total, async (partial) => {
    let finished = 0
    for (const { file, specs } of shards) {
      await writeSafetensors(join(partial, file), specs, (name) => content.chunks(name), {
        ...(signal && { signal }),
        onProgress: (done) => onProgress?.(finished + done, total),
      })
      finished += specs.reduce((sum, spec) => sum + bytesOf(spec), 0)
    }
    if (shards.length > 1) await writeJson(join(partial, INDEX_NAME), indexOf(shards))
    if (config !== undefined) await writeJson(join(partial, 'config.json'), config)
    for (const name of sideFilesFrom === undefined ? [] : await sideFilesOf(sideFilesFrom)) {
      if (name === 'config.json' && config !== undefined) continue
      signal?.throwIfAborted()
      const source = await resolveInside(sideFilesFrom!, name)
      await writeSmallFile(join(partial, name), await readSmallFile(source, MAX_SIDE_FILE_BYTES))
    }
  })
}

function writeJson(path: string, json: JsonObject): Promise<void> {
  return writeSmallFile(path, Buffer.from(`${formatJson(json)}\n`))
}
