import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const runtime = new URL('../../src/compute/onnxruntime.ts', import.meta.url).href
const kernels = new URL('../../src/compute/open-kernels.ts', import.meta.url).href

const script = `
  const { openKernels } = await import('${kernels}')
  const { openRuntime } = await import('${runtime}')
  const opened = await openRuntime(openKernels())
  await opened.close()
  console.log(process.env.ORT_DISABLE_TELEMETRY)`

describe('onnxruntime telemetry', () => {
  it('is off before onnxruntime starts: it writes no log and keeps no device id', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dswarm-'))
    try {
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--input-type=module', '-e', script],
        { env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder } },
      )
      assert.equal(stdout.trim(), '1')
      // Its logger opens mat-debug-PID.log in the temporary folder as soon as it is created.
      assert.deepEqual(await readdir(folder), [])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
