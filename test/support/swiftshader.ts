import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'

/**
 * SwiftShader, a Vulkan driver in software, unpacked from the npm package that carries it. It is part
 * of the development install: where it is missing, tests fail. A driver is found through the
 * environment that a process starts with, so what uses it runs in a child.
 */
export interface SwiftShader {
  /** The environment of a process that shall find this driver and no other. */
  readonly env: NodeJS.ProcessEnv
  remove(): void
}

export function unpackSwiftShader(): SwiftShader {
  const folder = mkdtempSync(join(tmpdir(), 'deltaswarm-swiftshader-'))
  const entry = createRequire(import.meta.url).resolve('@sparticuz/chromium')
  const root = entry.slice(0, entry.lastIndexOf(join('@sparticuz', 'chromium')))
  const archive = join(root, '@sparticuz', 'chromium', 'bin', 'swiftshader.tar.br')
  const names = untar(brotliDecompressSync(readFileSync(archive)), folder)
  assert.ok(names.includes('vk_swiftshader_icd.json'), `no driver among ${names.join(', ')}`)
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: folder,
    VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json'),
  }
  return {
    env,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** The regular files of a ustar archive; a header's name and size stand at 0 and 124. */
function untar(archive: Uint8Array, folder: string): string[] {
  const names: string[] = []
  const field = (at: number, length: number): string =>
    Buffer.from(archive.subarray(at, at + length))
      .toString('latin1')
      .split('\0')[0]!
  for (let at = 0; field(at, 100) !== '';) {
    const name = field(at, 100)
    const size = parseInt(field(at + 124, 12), 8)
    const isFile = ['', '0'].includes(field(at + 156, 1))
    if (isFile && dirname(name) === '.') {
      writeFileSync(join(folder, name), archive.subarray(at + 512, at + 512 + size), {
        mode: 0o755,
      })
      names.push(name)
    }
    at += 512 + 512 * Math.ceil(size / 512)
  }
  return names
}
