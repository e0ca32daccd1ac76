import type { Stats } from 'node:fs'
import * as fs from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import {
  type DeltaswarmError,
  EnvironmentError,
  InvalidInputError,
  MalformedError,
  NotAllowedError,
  NotFoundError,
} from '../errors.ts'
import type { Checkpoint } from '../tensors/checkpoint.ts'
import { bytesOf, type TensorSpec } from '../tensors/tensor.ts'
import { findTensor } from './find-tensor.ts'
import { headerBytes, layOut, parseHeader, PREFIX_BYTES } from './safetensors.ts'
import type { StreamOptions } from './stream.ts'
import { writeBehind } from './write-behind.ts'

/**
 * The one place of the engine that reads and writes model files. Nothing half-written is ever
 * visible under a final name, and nothing that exists is overwritten.
 */

/** A checkpoint that holds a file open. */
export interface OpenCheckpoint extends Checkpoint {
  readonly metadata: ReadonlyMap<string, string>
  /** Gives the file back; reads reject afterwards. May be called twice. */
  close(): Promise<void>
}

/**
 * Opens a safetensors file and reads its header; the tensors are read when asked for. Rejects with
 * `NotFoundError` `E_FILE_MISSING`, or `MalformedError` `E_SAFETENSORS_HEADER` or
 * `E_SAFETENSORS_OFFSETS`.
 */
export async function openSafetensors(path: string): Promise<OpenCheckpoint> {
  const fileBytes = (await statFile(path)).size
  const file = await fs.open(path, 'r').catch((cause: unknown) => fail(cause, path))
  try {
    const prefix = Buffer.alloc(Math.min(PREFIX_BYTES, fileBytes))
    await readFully(file, path, prefix, 0)
    const header = Buffer.alloc(headerBytes(prefix, fileBytes, path))
    await readFully(file, path, header, PREFIX_BYTES)
    const { tensors, offsets, metadata } = parseHeader(header, fileBytes, path)
    return {
      tensors,
      metadata,
      async read(name, offset, into) {
        const spec = findTensor(tensors, name)
        if (offset < 0 || offset + into.length > bytesOf(spec)) {
          throw new MalformedError('E_TENSOR_SIZE', `${path}: read past the end of '${name}'`, {
            expected: `at most ${bytesOf(spec)} bytes`,
            actual: offset + into.length,
          })
        }
        await readFully(file, path, into, offsets.get(name)! + offset)
      },
      close: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** A whole small file. Rejects with `MalformedError` `E_FILE_SIZE` when it is above `maxBytes`. */
export async function readSmallFile(path: string, maxBytes: number): Promise<Uint8Array> {
  const { size } = await statFile(path)
  if (size > maxBytes) {
    throw new MalformedError('E_FILE_SIZE', `${path} is too large to be what its name says`, {
      expected: `at most ${maxBytes} bytes`,
      actual: size,
    })
  }
  return fs.readFile(path).catch((cause: unknown) => fail(cause, path))
}

/** Names in a folder, sorted; `undefined` when the path is a file. */
export async function listFolder(path: string): Promise<readonly string[] | undefined> {
  const stats = await fs.stat(path).catch((cause: unknown) => fail(cause, path))
  if (!stats.isDirectory()) return undefined
  return (await fs.readdir(path).catch((cause: unknown) => fail(cause, path))).sort()
}

/**
 * The real path of `name` in `folder`. A link may point inside the folder or, in Hugging Face's
 * cache, from `snapshots/<revision>` to `blobs/<hash>` of the same model; any other rejects with
 * `NotAllowedError` `E_LINK_OUTSIDE`, so that a downloaded folder cannot name the user's other
 * files.
 */
export async function resolveInside(folder: string, name: string): Promise<string> {
  const path = join(folder, name)
  const real = await fs.realpath(path).catch((cause: unknown) => fail(cause, path))
  const root = await fs.realpath(folder).catch((cause: unknown) => fail(cause, folder))
  const model = /^(.*)[\\/]snapshots[\\/][^\\/]+/.exec(root)?.[1]
  const isBlob = model !== undefined && BLOB.test(relative(model, real))
  if (real.startsWith(root.endsWith(sep) ? root : root + sep) || isBlob) return real
  throw new NotAllowedError('E_LINK_OUTSIDE', `${path} is a link that leaves its folder`, {
    expected: `a file in ${folder}`,
    actual: real,
    fix: 'copy the file into the folder',
  })
}

/**
 * Writes a safetensors file: the header, then each tensor's bytes as `chunks` gives them, into
 * `<path>.partial`, which is synced and renamed at the end and removed on any failure. `onProgress`
 * counts bytes of tensors. Rejects with `InvalidInputError` `E_TARGET_EXISTS` or `E_TENSOR_SIZE`
 * (a tensor came too short or too long), and `EnvironmentError` `E_DISK_FULL`.
 */
export async function writeSafetensors(
  path: string,
  specs: Iterable<TensorSpec>,
  chunks: (name: string) => AsyncIterable<Uint8Array>,
  { signal, onProgress }: StreamOptions = {},
): Promise<void> {
  const { header, order, fileBytes } = layOut(specs)
  await writeWhole(path, fileBytes, async (write) => {
    const total = fileBytes - header.length
    const behind = writeBehind(write)
    let done = 0
    await behind.put(header)
    for (const spec of order) {
      let left = bytesOf(spec)
      for await (const chunk of left === 0 ? [] : chunks(spec.name)) {
        signal?.throwIfAborted()
        left -= chunk.length
        if (left < 0) break
        await behind.put(chunk)
        onProgress?.((done += chunk.length), total)
      }
      if (left !== 0) throw wrongSize(spec, bytesOf(spec) - left)
    }
    await behind.end()
    signal?.throwIfAborted()
  })
}

/** Writes a small file with the same promises. */
export async function writeSmallFile(path: string, bytes: Uint8Array): Promise<void> {
  await writeWhole(path, bytes.length, (write) => write(bytes))
}

/**
 * Makes a folder: `fill` writes into `<path>.partial`, which takes its name only when all is
 * written and is removed on any failure. Rejects with `InvalidInputError` `E_TARGET_EXISTS` when
 * the target has contents or a partial folder is there.
 */
export async function createFolder(
  path: string,
  bytesNeeded: number,
  fill: (partial: string) => Promise<void>,
): Promise<void> {
  const partial = `${path}.partial`
  const present = await ifPresent(fs.readdir(path), path)
  if (present !== undefined && present.length > 0) throw targetExists(path)
  try {
    await fs.mkdir(dirname(path), { recursive: true })
    await fs.mkdir(partial)
  } catch (cause) {
    fail(cause, partial)
  }
  try {
    await checkSpace(partial, bytesNeeded)
    await fill(partial)
    await syncFolder(partial)
    if (present !== undefined) await fs.rmdir(path)
    await fs.rename(partial, path)
    await syncFolder(dirname(path))
  } catch (cause) {
    await fs.rm(partial, { recursive: true, force: true })
    fail(cause, path, bytesNeeded)
  }
}

/** `blobs/<sha1 or sha256>`: what the Hub's cache links to. */
const BLOB = /^blobs[\\/][0-9a-f]{40}(?:[0-9a-f]{24})?$/

async function writeWhole(
  path: string,
  bytesNeeded: number,
  fill: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const partial = `${path}.partial`
  if ((await ifPresent(fs.stat(path), path)) !== undefined) throw targetExists(path)
  await checkSpace(dirname(path), bytesNeeded)
  const file = await fs.open(partial, 'wx').catch((cause: unknown) => fail(cause, partial))
  try {
    await fill((bytes) => writeFully(file, bytes))
    await file.sync()
    await file.close()
    await fs.rename(partial, path)
    await syncFolder(dirname(path))
  } catch (cause) {
    await file.close().catch(() => undefined)
    await fs.rm(partial, { force: true })
    fail(cause, path, bytesNeeded)
  }
}

async function readFully(
  file: fs.FileHandle,
  path: string,
  into: Uint8Array,
  position: number,
): Promise<void> {
  let done = 0
  while (done < into.length) {
    const { bytesRead } = await file
      .read(into, done, into.length - done, position + done)
      .catch((cause: unknown) => fail(cause, path))
    if (bytesRead === 0) {
      throw new MalformedError('E_SAFETENSORS_OFFSETS', `${path} became shorter while it was read`)
    }
    done += bytesRead
  }
}

async function writeFully(file: fs.FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten
  }
}

/** Only regular files: opening a pipe would wait for ever. */
async function statFile(path: string): Promise<Stats> {
  const stats = await fs.stat(path).catch((cause: unknown) => fail(cause, path))
  if (stats.isFile()) return stats
  throw new MalformedError('E_NOT_A_FILE', `${path} is not a regular file`)
}

/** Better now than after an hour of writing. File systems that do not know their size say 0. */
async function checkSpace(folder: string, bytesNeeded: number): Promise<void> {
  const space = await fs.statfs(folder).catch((cause: unknown) => fail(cause, folder))
  const free = space.bavail * space.bsize
  if (space.blocks > 0 && free < bytesNeeded) throw diskFull(folder, bytesNeeded, free)
}

/** Makes a rename durable; Windows cannot open folders and does not need it. */
async function syncFolder(path: string): Promise<void> {
  const folder = await fs.open(path, 'r').catch(() => undefined)
  await folder?.sync().catch(() => undefined)
  await folder?.close()
}

async function ifPresent<T>(found: Promise<T>, path: string): Promise<T | undefined> {
  return found.catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOTDIR') throw targetExists(path)
    return code === 'ENOENT' ? undefined : fail(cause, path)
  })
}

/** Throws what a caller can react to in place of a code of the operating system. */
function fail(cause: unknown, path: string, bytesNeeded?: number): never {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'ENOENT') {
    throw new NotFoundError('E_FILE_MISSING', `there is no ${path}`, { actual: path, cause })
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') throw diskFull(path, bytesNeeded, undefined, cause)
  if (code === 'EEXIST' || code === 'ENOTEMPTY') throw targetExists(path)
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) throw cause
  throw new EnvironmentError('E_DISK', `${path}: ${message}`, { actual: code, cause })
}

function diskFull(path: string, needed?: number, free?: number, cause?: unknown): DeltaswarmError {
  const where = `no space left for ${path}`
  return new EnvironmentError('E_DISK_FULL', where, {
    expected: needed === undefined ? 'free space' : `${needed} bytes free`,
    actual: free === undefined ? 'a full disk' : `${free} bytes free`,
    fix: ['free some space', 'write to another disk'],
    details: { path, bytesNeeded: needed },
    cause,
  })
}

function targetExists(path: string): DeltaswarmError {
  const isPartial = basename(path).endsWith('.partial')
  return new InvalidInputError('E_TARGET_EXISTS', `${path} exists`, {
    expected: 'a path that is free',
    actual: path,
    fix: isPartial
      ? `if no other run is writing there, remove what an interrupted one left: ${path}`
      : 'choose another path, or remove what is there',
  })
}

function wrongSize(spec: TensorSpec, actual: number): DeltaswarmError {
  return new InvalidInputError('E_TENSOR_SIZE', `'${spec.name}' does not have its size`, {
    expected: `${bytesOf(spec)} bytes`,
    actual: `${actual} bytes`,
  })
}
