import { type FileHandle, link, mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { EnvironmentError } from '../../src/index.ts'

/**
 * Files appear whole or not at all: written under a temporary name in the same folder, then
 * renamed. Temporary names begin with a dot and end with `.partial`, so that a start can sweep what
 * a crash left.
 */

const PARTIAL = '.partial'
let serial = 0

function partialOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${serial++}${PARTIAL}`)
}

export function isPartial(name: string): boolean {
  return name.startsWith('.') && name.endsWith(PARTIAL)
}

/**
 * Writes and renames; the file is durable only after `handle.sync()` and `syncFolder`, which the
 * caller owes, as it owes closing the handle. Rejects with `EnvironmentError` `E_DISK_FULL` or
 * `E_DISK_DENIED`.
 */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<FileHandle> {
  const partial = partialOf(path)
  let handle: FileHandle | undefined
  try {
    handle = await open(partial, 'wx', 0o600)
    await handle.writeFile(bytes)
    await rename(partial, path)
    return handle
  } catch (cause) {
    await handle?.close().catch(() => {})
    await rm(partial, { force: true }).catch(() => {})
    throw diskError(cause, path, bytes.length)
  }
}

/** Writes, renames and makes both the file and its name durable. */
export async function writeDurable(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await writeWhole(path, bytes)
  try {
    await handle.sync()
  } catch (cause) {
    throw diskError(cause, path, bytes.length)
  } finally {
    await handle.close()
  }
  await syncFolder(dirname(path))
}

/** Like `writeDurable`, but never replaces: resolves to whether the file was not there before. */
export async function writeNew(path: string, bytes: Uint8Array): Promise<boolean> {
  const partial = partialOf(path)
  try {
    await writeDurable(partial, bytes)
    await link(partial, path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw diskError(cause, path, bytes.length)
  } finally {
    await rm(partial, { force: true })
  }
  await syncFolder(dirname(path))
  return true
}

/**
 * Makes renames and removals in a folder durable; on Windows, where folders cannot, does nothing.
 */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Creates a folder that only its owner can read, durably, with those above it. */
export async function privateFolder(path: string): Promise<string> {
  try {
    const first = await mkdir(path, { recursive: true, mode: 0o700 })
    if (first === undefined) return path
    let made = resolve(path)
    for (; made.length > first.length; made = dirname(made)) await syncFolder(dirname(made))
    await syncFolder(dirname(made))
  } catch (cause) {
    throw diskError(cause, path)
  }
  return path
}

/** A file system failure as a named error; what is not one passes through. */
export function diskError(cause: unknown, path: string, bytes?: number): unknown {
  const code = (cause as NodeJS.ErrnoException).code
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new EnvironmentError('E_DISK_FULL', `the disk is full: ${path} could not be written`, {
      expected: bytes === undefined ? 'free space' : `${bytes} free bytes`,
      actual: code,
      fix: 'free space on this disk and run the command again; nothing half-written was kept',
      cause,
    })
  }
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') {
    return new EnvironmentError('E_DISK_DENIED', `${path} cannot be written`, {
      expected: 'a writable folder',
      actual: code,
      fix: 'choose another folder with --home, or change its owner',
      cause,
    })
  }
  if (code === 'EIO') {
    return new EnvironmentError('E_DISK_FAILED', `the disk failed at ${path}`, {
      expected: 'a disk that keeps what it is given',
      actual: code,
      fix: 'look at the log of the system; when the disk is well, start the node again',
      cause,
    })
  }
  return cause
}
