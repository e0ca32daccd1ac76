import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CID } from '../../src/canonical.ts'
import { type ModelFolder, openFolder } from '../../src/checkpoints/folder.ts'
import { weightsId } from '../../src/checkpoints/weights-id.ts'
import { writeFolder } from '../../src/checkpoints/write-folder.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import { bytesOf } from '../../src/tensors/tensor.ts'

/** A folder that is removed when it is disposed of. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string
}

export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'deltaswarm-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Writes what `change` makes of a model folder's weights, with its other files, to `out`. */
export async function copyFolder(
  path: string,
  out: string,
  change: (checkpoint: Checkpoint) => Checkpoint,
): Promise<void> {
  await withFolder(path, async ({ checkpoint }) => {
    const changed = change(checkpoint)
    const chunks = async function* (name: string): AsyncGenerator<Uint8Array> {
      yield await bytesIn(changed, name)
    }
    await writeFolder(out, { tensors: changed.tensors.values(), chunks, sideFilesFrom: path })
  })
}

/** The weights id of a model folder. */
export function idOf(path: string): Promise<CID> {
  return withFolder(path, async ({ checkpoint }) => (await weightsId(checkpoint)).id)
}

/** Opens a model folder for as long as `use` takes. */
export async function withFolder<T>(
  path: string,
  use: (folder: ModelFolder) => Promise<T>,
): Promise<T> {
  const folder = await openFolder(path)
  try {
    return await use(folder)
  } finally {
    await folder.close()
  }
}

/** All bytes of a tensor. */
export async function bytesIn(checkpoint: Checkpoint, name: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(bytesOf(checkpoint.tensors.get(name)!))
  await checkpoint.read(name, 0, bytes)
  return bytes
}
