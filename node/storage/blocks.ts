import { type FileHandle, mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Blockstore, verifyBlock } from '../../protocol/index.ts'
import type { CID } from '../../src/index.ts'
import { diskError, isPartial, privateFolder, syncFolder, writeWhole } from './atomic-file.ts'

/** Unsynced bytes after which `put` waits for the disk; bounds what a power cut makes us fetch again. */
const GROUP_BYTES = 64 * 1024 * 1024

export interface DiskBlockstore extends Blockstore {
  /** Resolves when every block put before is durable; whoever acknowledges something waits for it. */
  flush(): Promise<void>
  /** Blocks found damaged since the start. */
  readonly quarantined: readonly string[]
  /** Number and bytes of all blocks; walks the folders. */
  usage(): Promise<{ blocks: number; bytes: number }>
  close(): Promise<void>
}

/**
 * Blocks as files `blocks/<last two characters of the CID>/<CID>`. Every read is hashed: a file that
 * does not match its name is moved to `quarantine/` and reported as absent, so that it is fetched
 * again and never served. A file becomes visible by a rename and durable by a group `fsync`.
 */
export async function openBlocks(folder: string): Promise<DiskBlockstore> {
  const root = await privateFolder(join(folder, 'blocks'))
  const quarantine = await privateFolder(join(folder, 'quarantine'))
  await sweep(root)
  const quarantined: string[] = []
  const unsynced = new Map<string, { handle: FileHandle; shard: string }>()
  let unsyncedBytes = 0
  let flushing: Promise<void> = Promise.resolve()

  const shardOf = (cid: CID): string => join(root, cid.toString().slice(-2))
  const pathOf = (cid: CID): string => join(shardOf(cid), cid.toString())

  const flush = (): Promise<void> => {
    flushing = flushing.then(async () => {
      const group = [...unsynced.values()]
      unsynced.clear()
      unsyncedBytes = 0
      try {
        await Promise.all(group.map(({ handle }) => handle.sync()))
        await Promise.all([...new Set(group.map(({ shard }) => shard))].map(syncFolder))
      } catch (cause) {
        throw diskError(cause, root)
      } finally {
        await Promise.all(group.map(({ handle }) => handle.close()))
      }
    })
    return flushing
  }

  return {
    quarantined,
    async has(cid) {
      return (await stat(pathOf(cid)).catch(() => undefined)) !== undefined
    },
    async get(cid) {
      const path = pathOf(cid)
      let bytes: Uint8Array
      try {
        bytes = await readFile(path)
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw cause
      }
      try {
        verifyBlock(cid, bytes)
      } catch {
        quarantined.push(cid.toString())
        await rename(path, join(quarantine, cid.toString()))
        return undefined
      }
      return bytes
    },
    async put(cid, bytes) {
      const path = pathOf(cid)
      if (unsynced.has(path)) return
      const present = await stat(path).catch(() => undefined)
      if (present?.size === bytes.length) return
      const shard = shardOf(cid)
      await mkdir(shard, { recursive: true, mode: 0o700 })
      const handle = await writeWhole(path, bytes)
      const earlier = unsynced.get(path)
      if (earlier !== undefined) await earlier.handle.close()
      unsynced.set(path, { handle, shard })
      unsyncedBytes += bytes.length
      if (unsyncedBytes >= GROUP_BYTES || unsynced.size >= 256) await flush()
    },
    flush,
    async usage() {
      let blocks = 0
      let bytes = 0
      for (const shard of await readdir(root)) {
        for (const name of await readdir(join(root, shard))) {
          if (isPartial(name)) continue
          blocks++
          bytes += (await stat(join(root, shard, name))).size
        }
      }
      return { blocks, bytes }
    },
    close: flush,
  }
}

/** Removes what a crash left half-written. */
async function sweep(root: string): Promise<void> {
  for (const shard of await readdir(root)) {
    for (const name of await readdir(join(root, shard))) {
      if (isPartial(name)) await rm(join(root, shard, name), { force: true })
    }
  }
}
