import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createFolder,
  openSafetensors,
  readSmallFile,
  resolveInside,
  writeSafetensors,
} from '../../src/checkpoints/files.ts'
import type { TensorSpec } from '../../src/tensors/tensor.ts'
import { skip } from '../support/shared.ts'
import { withFolder } from './memory.ts'

const spec = (name: string, elements: number): TensorSpec => ({
  name,
  dtype: 'F32',
  shape: [elements],
})

async function* pieces(...sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (const [i, size] of sizes.entries()) yield new Uint8Array(size).fill(i + 1)
}

async function* brokenPieces(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(4)
  throw new Error('broken source')
}

describe('writing a safetensors file', () => {
  it('gives back the bytes of every tensor, at any offset', async () => {
    await withFolder(async (folder) => {
      const path = join(folder, 'x.safetensors')
      const progress: number[] = []
      await writeSafetensors(
        path,
        [spec('b', 2), spec('a', 3), spec('none', 0)],
        (name) => (name === 'a' ? pieces(5, 7) : pieces(8)),
        { onProgress: (done, total) => progress.push(done, total) },
      )
      assert.deepEqual(progress, [5, 20, 12, 20, 20, 20])
      assert.deepEqual(await readdir(folder), ['x.safetensors'])
      const checkpoint = await openSafetensors(path)
      const bytes = new Uint8Array(4)
      await checkpoint.read('a', 3, bytes)
      assert.deepEqual([...bytes], [1, 1, 2, 2])
      await checkpoint.read('b', 4, bytes)
      assert.deepEqual([...bytes], [1, 1, 1, 1])
      await checkpoint.close()
      await checkpoint.close()
    })
  })

  it('leaves nothing behind when it is aborted, fails, or gets a wrong size', async () => {
    await withFolder(async (folder) => {
      const path = join(folder, 'x.safetensors')
      const controller = new AbortController()
      const aborting = async function* () {
        yield new Uint8Array(4)
        assert.deepEqual(await readdir(folder), ['x.safetensors.partial'])
        controller.abort(new Error('stop'))
        yield new Uint8Array(4)
      }
      const { signal } = controller
      await assert.rejects(writeSafetensors(path, [spec('a', 2)], aborting, { signal }), /stop/)
      assert.deepEqual(await readdir(folder), [])
      await assert.rejects(writeSafetensors(path, [spec('a', 2)], brokenPieces), /broken source/)
      for (const size of [4, 12]) {
        const wrong = writeSafetensors(path, [spec('a', 2)], () => pieces(size))
        await assert.rejects(wrong, { name: 'InvalidInputError', id: 'E_TENSOR_SIZE' })
      }
      assert.deepEqual(await readdir(folder), [])
    })
  })

  it('does not touch a file that exists, finished or partial', async () => {
    await withFolder(async (folder) => {
      for (const name of ['x.safetensors', 'x.safetensors.partial']) {
        await writeFile(join(folder, name), 'mine')
        const path = join(folder, 'x.safetensors')
        const written = writeSafetensors(path, [spec('a', 1)], () => pieces(4))
        await assert.rejects(written, { name: 'InvalidInputError', id: 'E_TARGET_EXISTS' })
        assert.equal(await readFile(join(folder, name), 'utf8'), 'mine')
      }
    })
  })

  it('refuses before it writes when the disk has too little space', async () => {
    await withFolder(async (folder) => {
      const path = join(folder, 'x.safetensors')
      const written = writeSafetensors(path, [spec('a', 2 ** 50)], () => pieces(4))
      await assert.rejects(written, (error: Error & { id?: string; expected?: string }) => {
        assert.equal(error.id, 'E_DISK_FULL')
        assert.ok(error.message.includes(folder))
        assert.match(error.expected!, /^450359962737\d+ bytes free$/)
        return true
      })
      assert.deepEqual(await readdir(folder), [])
    })
  })

  it('reports a disk that fills up while it writes and removes what it wrote', async function () {
    await withFolder(async (folder) => {
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', folder], {
          stdio: 'ignore',
        })
      } catch {
        skip(this, 'a file system of its own needs the right to mount one')
      }
      try {
        const path = join(folder, 'x.safetensors')
        const filling = async function* () {
          yield new Uint8Array(64 * 1024)
          await writeFile(join(folder, 'other'), new Uint8Array(160 * 1024))
          yield new Uint8Array(64 * 1024)
        }
        await assert.rejects(writeSafetensors(path, [spec('a', 32 * 1024)], filling), {
          name: 'EnvironmentError',
          id: 'E_DISK_FULL',
          details: { path, bytesNeeded: 128 * 1024 + 104 },
        })
        assert.deepEqual(await readdir(folder), ['other'])
      } finally {
        execFileSync('umount', [folder])
      }
    })
  })
})

describe('creating a folder', () => {
  it('shows it only when it is complete', async () => {
    await withFolder(async (folder) => {
      const path = join(folder, 'deep', 'out')
      await createFolder(path, 1, async (partial) => {
        await writeFile(join(partial, 'a'), 'x')
        assert.deepEqual(await readdir(join(folder, 'deep')), ['out.partial'])
      })
      assert.deepEqual(await readdir(path), ['a'])
      const again = createFolder(path, 1, async () => undefined)
      await assert.rejects(again, { id: 'E_TARGET_EXISTS' })
    })
  })

  it('takes an empty target and removes its own work on failure', async () => {
    await withFolder(async (folder) => {
      const path = join(folder, 'out')
      await mkdir(path)
      const failing = createFolder(path, 1, async (partial) => {
        await writeFile(join(partial, 'a'), 'x')
        throw new Error('broken')
      })
      await assert.rejects(failing, /broken/)
      assert.deepEqual(await readdir(folder), ['out'])
      await createFolder(path, 1, (partial) => writeFile(join(partial, 'a'), 'x'))
      const overFile = createFolder(join(path, 'a'), 1, async () => undefined)
      await assert.rejects(overFile, { id: 'E_TARGET_EXISTS' })
      assert.deepEqual(await readdir(path), ['a'])
    })
  })
})

describe('reading files of a folder', () => {
  it('follows links inside it and from a snapshot of the Hub cache to its blobs', async () => {
    await withFolder(async (folder) => {
      const hash = 'ab'.repeat(32)
      const snapshot = join(folder, 'models--org--name', 'snapshots', 'f'.repeat(40))
      await mkdir(snapshot, { recursive: true })
      await mkdir(join(folder, 'models--org--name', 'blobs'))
      await writeFile(join(folder, 'models--org--name', 'blobs', hash), 'x')
      await symlink(join('..', '..', 'blobs', hash), join(snapshot, 'a'))
      await symlink('a', join(snapshot, 'b'))
      const real = await resolveInside(snapshot, 'b')
      assert.equal(Buffer.from(await readSmallFile(real, 10)).toString(), 'x')
    })
  })

  it('follows no other link out of it', async () => {
    await withFolder(async (folder) => {
      const hash = 'ab'.repeat(32)
      const snapshot = join(folder, 'models--org--name', 'snapshots', 'f'.repeat(40))
      await mkdir(snapshot, { recursive: true })
      await mkdir(join(folder, 'blobs'))
      await writeFile(join(folder, 'blobs', hash), 'x')
      await writeFile(join(folder, 'secret'), 'x')
      await symlink(join(folder, 'blobs', hash), join(snapshot, 'other-blobs'))
      await symlink(join(folder, 'secret'), join(snapshot, 'secret'))
      for (const name of ['other-blobs', 'secret', '../../../secret']) {
        const refused = { name: 'NotAllowedError', id: 'E_LINK_OUTSIDE' }
        await assert.rejects(resolveInside(snapshot, name), refused, name)
      }
      await assert.rejects(resolveInside(snapshot, 'absent'), { id: 'E_FILE_MISSING' })
    })
  })

  it('refuses pipes, folders, and small files that are large', async () => {
    await withFolder(async (folder) => {
      execFileSync('mkfifo', [join(folder, 'pipe')])
      await assert.rejects(readSmallFile(join(folder, 'pipe'), 10), { id: 'E_NOT_A_FILE' })
      await assert.rejects(openSafetensors(folder), { id: 'E_NOT_A_FILE' })
      await writeFile(join(folder, 'large'), 'x'.repeat(11))
      await assert.rejects(readSmallFile(join(folder, 'large'), 10), { id: 'E_FILE_SIZE' })
      await assert.rejects(openSafetensors(join(folder, 'none')), { id: 'E_FILE_MISSING' })
    })
  })
})
