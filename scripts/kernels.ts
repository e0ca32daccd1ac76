import { createMemoryStream, main } from 'assemblyscript/asc'
import { readFile, writeFile } from 'node:fs/promises'

/**
 * Compiles the WASM kernels. `node scripts/kernels.ts` writes the binary and the module that embeds
 * it; with `--check` it writes nothing and fails when either differs from what it would write.
 */

const folder = new URL('../src/compute/', import.meta.url)

export const binaryFile = new URL('assembly/kernels.wasm', folder)
export const moduleFile = new URL('kernels-wasm.ts', folder)

const flags =
  '--runtime stub --noAssert -O3 --converge --enable simd,threads,bulk-memory ' +
  '--importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536'

/** The binary and the text of the module; throws with the compiler's messages. */
export async function compileKernels(): Promise<{ binary: Uint8Array; module: string }> {
  let binary: Uint8Array | undefined
  const stderr = createMemoryStream()
  const { error } = await main(['kernels.ts', '--outFile', 'kernels.wasm', ...flags.split(' ')], {
    readFile: (name) => readFile(new URL(`assembly/${name}`, folder), 'utf8').catch(() => null),
    writeFile: (_name, contents) => {
      binary = contents as Uint8Array
    },
    listFiles: () => [],
    stderr,
  })
  if (error !== null || binary === undefined) throw new Error(stderr.toString(), { cause: error })
  const base64 = Buffer.from(binary).toString('base64')
  const module =
    '/** Written by `npm run kernels` from assembly/kernels.ts: the compiled kernels in base64. */\n' +
    `export const kernelsWasm =\n  '${base64}'\n`
  return { binary, module }
}

/** Names of the files that are not what the source compiles to. */
export async function staleKernelFiles(): Promise<string[]> {
  const { binary, module } = await compileKernels()
  const stale: string[] = []
  for (const [file, expected] of [
    [binaryFile, Buffer.from(binary)],
    [moduleFile, Buffer.from(module)],
  ] as const) {
    const actual = await readFile(file).catch(() => undefined)
    if (actual === undefined || !actual.equals(expected)) stale.push(file.pathname)
  }
  return stale
}

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const stale = await staleKernelFiles()
    if (stale.length > 0) {
      process.stderr.write(
        `not what the kernels compile to: ${stale.join(', ')}; npm run kernels\n`,
      )
      process.exitCode = 1
    }
  } else {
    const { binary, module } = await compileKernels()
    await writeFile(binaryFile, binary)
    await writeFile(moduleFile, module)
    process.stdout.write(`kernels.wasm: ${binary.length} bytes\n`)
  }
}
