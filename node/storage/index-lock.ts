import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { EnvironmentError } from '../../src/index.ts'
import { diskError, privateFolder } from './atomic-file.ts'

/** An open LevelDB; while it is open, its lock keeps other processes off the store. */
export interface LockedIndex {
  readonly level: Level
  /** Why its contents are worthless, if they are. */
  readonly damage: string | undefined
}

/**
 * Opens the index and takes the store's lock; rejects with `EnvironmentError` `E_STORE_LOCKED`,
 * `E_INDEX` or `E_DISK_DENIED`.
 */
export async function openIndex(folder: string): Promise<LockedIndex> {
  await privateFolder(folder)
  const level: Level = new Level(folder, { keyEncoding: 'utf8', valueEncoding: 'utf8' })
  try {
    await level.open()
    return { level, damage: undefined }
  } catch (cause) {
    if (isLocked(cause)) throw locked(folder, cause)
    await emptyIndex(level)
    return { level, damage: 'it could not be opened' }
  }
}

/**
 * Starts the index anew: its files hold nothing that the journal does not, and may be too damaged
 * to be cleared entry by entry. The lock's own file stays, so that another process which starts now
 * still meets it. Rejects as `openIndex` does.
 */
export async function emptyIndex(level: Level): Promise<void> {
  const folder = level.location
  try {
    await level.close()
    for (const name of await readdir(folder)) {
      if (name !== 'LOCK') await rm(join(folder, name), { recursive: true, force: true })
    }
    await level.open()
  } catch (cause) {
    if (isLocked(cause)) throw locked(folder, cause)
    const error = diskError(cause, folder)
    if (error instanceof EnvironmentError) throw error
    throw new EnvironmentError('E_INDEX', 'the index of the store cannot be opened', {
      expected: 'a folder that can be written, on a disk with free space',
      actual: folder,
      fix: 'free space on this disk, or change the owner of the folder',
      cause,
    })
  }
}

function isLocked(cause: unknown): boolean {
  const inner = (cause as { cause?: { code?: string } }).cause
  return inner?.code === 'LEVEL_LOCKED'
}

function locked(folder: string, cause: unknown): EnvironmentError {
  return new EnvironmentError('E_STORE_LOCKED', 'another process uses this store', {
    expected: 'a store of our own',
    actual: folder,
    fix: 'wait for the other command, or stop the daemon with deltaswarm down',
    cause,
  })
}
