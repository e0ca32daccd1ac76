import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { track } from './support/processes.ts'
import { type SwiftShader, unpackSwiftShader } from './support/swiftshader.ts'

/** Tests that run on the CPU by default and once more here, on WebGPU with no way to fall back. */
const files = [
  'test/graphs/primitives.test.ts',
  'test/graphs/device-memory.test.ts',
  'test/graphs/matrix-products.test.ts',
  'test/operators/graphs.test.ts',
  'test/recipes/device-weights.test.ts',
  'test/evaluation/device.test.ts',
]

const root = fileURLToPath(new URL('..', import.meta.url))
const mocha = join(dirname(createRequire(import.meta.url).resolve('mocha')), 'bin', 'mocha.js')

describe('the strict WebGPU path on SwiftShader', function () {
  this.timeout(300_000)
  let driver: SwiftShader
  before(() => {
    driver = unpackSwiftShader()
  })
  after(() => driver.remove())

  async function run(env: NodeJS.ProcessEnv) {
    const args = [mocha, '--no-package', '--reporter', 'json', '--timeout', '60000', ...files]
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...env, DELTASWARM_TEST_DEVICE: 'webgpu' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    track(child)
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    assert.ok(stdout.startsWith('{'), stderr)
    return JSON.parse(stdout) as {
      readonly stats: { readonly passes: number; readonly pending: number }
      readonly failures: readonly {
        readonly fullTitle: string
        readonly err: { message: string }
      }[]
    }
  }

  it('passes every test of the device path #slow', async () => {
    const { stats, failures } = await run(driver.env)
    assert.deepEqual(
      failures.map(({ fullTitle, err }) => `${fullTitle}: ${err.message}`),
      [],
    )
    assert.ok(stats.passes >= 60, `${stats.passes} tests ran`)
    assert.equal(stats.pending, 0)
  })

  it('is really taken: without a driver those tests fail #slow', async () => {
    const { failures } = await run({ ...process.env, VK_ICD_FILENAMES: '/no/driver' })
    assert.ok(failures.some(({ err }) => err.message.includes('No supported adapters')))
  })
})
