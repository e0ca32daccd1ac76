import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Blockstore, MAX_BLOCK_BYTES, verifyBlock } from '../../protocol/index.ts'
import { type CID, DeltaswarmError } from '../../src/index.ts'
import { diskError, isPartial, privateFolder, syncFolder, writeWhole } from './atomic-file.ts'

/**
 * Unsynced bytes after which `put` waits for the disk; bounds what a power cut makes us fetch
 * again.
 */
const GROUP_BYTES = 64 * 1024 * 1024

/** Unsynced files after which `put` waits: each holds a file descriptor open, of often 1024. */
const GROUP_FILES = 256

/**
 * `has` only looks whether there is a file that is not empty (an empty one is what a power cut
 * leaves of an unsynced block), so that a fetch over thousands of leaves resumes at once. A file
 * with other damage counts as present until somebody reads it; then it is absent, and the next
 * fetch brings it.
 */
export interface DiskBlockstore extends Blockstore {
  /**
   * Resolves when every block put before is durable; whoever acknowledges something waits for it.
   * After a failed fsync it rejects until the store is opened again, and so does `put`.
   */
  flush(): Promise<void>
  /** CIDs of blocks found damaged since the start. */
  readonly quarantined: readonly string[]
  /** Number and bytes of all blocks; walks the folders. */
  usage(): Promise<{ blocks: number; bytes: number }>
  /** Flushes. */
  close(): Promise<void>
}

/**
 * Blocks as files `blocks/<last two characters of the CID>/<CID>`. Every read is hashed: a file
 * that does not match its name is moved to `quarantine/` and reported as absent, so that it is
 * fetched again and never served. A file becomes visible by a rename and durable by a group
 * `fsync`.
 */
export async function openBlocks(folder: string): Promise<DiskBlockstore> {
  const root = await privateFolder(join(folder, 'blocks'))
  const quarantine = await privateFolder(join(folder, 'quarantine'))
  for await (const { path, partial } of filesOf(root)) if (partial) await rm(path, { force: true })
  const quarantined: string[] = []
  const busy = new Map<string, Promise<unknown>>()
  const unsynced = new Map<string, { readonly handle: FileHandle; readonly shard: string }>()
  let unsyncedBytes = 0
  let flushing: Promise<void> = Promise.resolve()
  let failed: unknown

  const shardOf = (cid: CID): string => join(root, cid.toString().slice(-2))
  const pathOf = (cid: CID): string => join(shardOf(cid), cid.toString())

  /** One at a time for each path, so that no block is moved away while it is put again. */
  const alone = <T>(path: string, work: () => Promise<T>): Promise<T> => {
    const done = (busy.get(path) ?? Promise.resolve()).then(work, work)
    busy.set(path, done)
    const leave = (): void => void (busy.get(path) === done && busy.delete(path))
    done.then(leave, leave)
    return done
  }

  const flush = (): Promise<void> => {
    flushing = flushing.then(async () => {
      const group = [...unsynced]
      unsynced.clear()
      unsyncedBytes = 0
      try {
        await Promise.all(group.map(([, { handle }]) => handle.sync()))
        await Promise.all([...new Set(group.map(([, { shard }]) => shard))].map(syncFolder))
      } catch (cause) {
        // Nobody knows what is on the disk now: better absent than perhaps there.
        await Promise.allSettled(group.map(([path]) => rm(path, { force: true })))
        failed = diskError(cause, root)
        throw failed
      } finally {
        await Promise.allSettled(group.map(([, { handle }]) => handle.close()))
      }
    })
    // Whoever flushes next is told; that nobody is yet is no unhandled rejection.
    flushing.catch(() => {})
    return flushing
  }

  const owe = async (cid: CID, handle: FileHandle, bytes: number): Promise<void> => {
    const before = unsynced.get(pathOf(cid))
    unsynced.set(pathOf(cid), { handle, shard: shardOf(cid) })
    unsyncedBytes += bytes
    await before?.handle.close()
  }

  return {
    quarantined,
    async has(cid) {
      const found = await stat(pathOf(cid)).catch(() => undefined)
      return found !== undefined && found.isFile() && found.size > 0
    },
    async get(cid) {
      const path = pathOf(cid)
      const bytes = await readBlock(cid, path)
      if (bytes !== 'damaged') return bytes
      return alone(path, async () => {
        const again = await readBlock(cid, path)
        if (again !== 'damaged') return again
        // Where it cannot be moved it is not given out either.
        await rename(path, join(quarantine, cid.toString())).catch(() => {})
        quarantined.push(cid.toString())
        return undefined
      })
    },
    async put(cid, bytes) {
      if (failed !== undefined) throw failed
      const path = pathOf(cid)
      await alone(path, async () => {
        // A file that a killed process left may lack its fsync; where it is durable, another is
        // free.
        const same = await openSame(path, bytes)
        if (same !== undefined) return owe(cid, same, 0)
        await privateFolder(shardOf(cid))
        await owe(cid, await writeWhole(path, bytes), bytes.length)
      })
      if (unsyncedBytes >= GROUP_BYTES || unsynced.size >= GROUP_FILES) await flush()
    },
    flush,
    async usage() {
      let blocks = 0
      let bytes = 0
      for await (const { path, partial } of filesOf(root)) {
        const found = partial ? undefined : await stat(path).catch(() => undefined)
        if (found === undefined) continue
        blocks++
        bytes += found.size
      }
      return { blocks, bytes }
    },
    close: flush,
  }
}

/** The block, `undefined` where there is no file, or `damaged` where there is another one. */
async function readBlock(cid: CID, path: string): Promise<Uint8Array | undefined | 'damaged'> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, 'r')
    const found = await handle.stat()
    if (!found.isFile() || found.size > MAX_BLOCK_BYTES) return 'damaged'
    const bytes = await handle.readFile()
    verifyBlock(cid, bytes)
    return bytes
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return undefined
    // Bytes that differ, or a sector that cannot be read.
    if (cause instanceof DeltaswarmError || code === 'EIO') return 'damaged'
    throw diskError(cause, path)
  } finally {
    await handle?.close()
  }
}

/** The open file at `path` when it holds exactly `bytes`. */
async function openSame(path: string, bytes: Uint8Array): Promise<FileHandle | undefined> {
  const handle = await open(path, 'r+').catch(() => undefined)
  if (handle === undefined) return undefined
  try {
    const { size } = await handle.stat()
    if (size === bytes.length && Buffer.compare(await handle.readFile(), bytes) === 0) return handle
  } catch {
    // What cannot be read is written again.
  }
  await handle.close()
  return undefined
}

/** Every file below `blocks/`; what else lies there is none of ours. */
async function* filesOf(root: string): AsyncGenerator<{ path: string; partial: boolean }> {
  for (const shard of await readdir(root, { withFileTypes: true })) {
    if (!shard.isDirectory()) continue
    for (const file of await readdir(join(root, shard.name), { withFileTypes: true })) {
      const path = join(root, shard.name, file.name)
      if (file.isFile()) yield { path, partial: isPartial(file.name) }
    }
  }
}
