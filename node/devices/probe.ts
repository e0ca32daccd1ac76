import { execFile, type ExecFileException } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Device } from '../../src/index.ts'

/** What a device other than the CPU turned out to be. */
export type Probe =
  | {
      readonly device: Device
      readonly works: true
      /** Largest distance of a loss from the CPU's, in nats. */
      readonly difference: number
      /** How many times as fast as the CPU it multiplies matrices, transfers included. */
      readonly speedup: number
    }
  | { readonly device: Device; readonly works: false; readonly reason: string }

/** A software driver needs 15 s to be found slow; one that hangs must not hold a command for longer. */
const PROBE_MS = 60_000

/**
 * Tries a device in a child process; a probe that cannot be made says why. The CPU is what others are
 * compared with and is not tried.
 */
export async function probeDevice(device: Device): Promise<Probe> {
  if (device === 'cuda') {
    const missing = missingCudaLibrary()
    if (missing !== undefined) return { device, works: false, reason: `${missing} missing` }
  }
  const extension = extname(import.meta.url) // .ts in the repository, .js in the package
  const file = fileURLToPath(new URL(`./probe-process${extension}`, import.meta.url))
  return new Promise((resolve) => {
    execFile(process.execPath, [file, device], { timeout: PROBE_MS }, (error, stdout) => {
      resolve(probeOf(device, error, stdout))
    })
  })
}

/** What the end of the child process, or its last line, says of the device. */
export function probeOf(device: Device, error: ExecFileException | null, stdout: string): Probe {
  const failed = (reason: string): Probe => ({ device, works: false, reason })
  const answer = stdout.split('\n').at(-1)! // a driver may print before it
  if (error?.killed === true) return failed(`no answer within ${PROBE_MS / 1000} s`)
  if (error !== null || answer === '') {
    return failed(`its process ended with ${error?.signal ?? `code ${error?.code ?? 0}`}`)
  }
  try {
    return JSON.parse(answer) as Probe
  } catch {
    return failed('no answer that can be read') // a driver may print behind it, too
  }
}

/** onnxruntime opens them beside its own library; without them CUDA is not worth a process. */
function missingCudaLibrary(): string | undefined {
  const manifest = createRequire(import.meta.url).resolve('onnxruntime-node/package.json')
  const folder = join(dirname(manifest), 'bin', 'napi-v6', process.platform, process.arch)
  const names = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so']
  return names.find((name) => !existsSync(join(folder, name)))
}
