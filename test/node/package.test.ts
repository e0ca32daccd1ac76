import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openWorkplace, type Workplace } from './cli/command.ts'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('../../', import.meta.url))
const tsc = join(repository, 'node_modules/typescript/bin/tsc')

interface Manifest {
  readonly version: string
  readonly files: readonly string[]
  readonly dependencies: Readonly<Record<string, string>>
}

/** What npm would install: Node strips no types there, so only compiled code runs. */
describe('the published package #slow', function () {
  this.timeout(120_000)
  let place: Workplace
  let manifest: Manifest
  let home: string

  before(async () => {
    place = await openWorkplace()
    home = place.path('home')
    manifest = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8')) as Manifest
    await install(manifest, place)
  })
  after(async () => {
    await deltaswarm('down').catch(() => undefined)
    await place.remove()
  })

  function deltaswarm(...argv: readonly string[]): Promise<{ stdout: string; stderr: string }> {
    const bin = 'node_modules/deltaswarm/node/cli/bin.js'
    const env = { ...process.env, DELTASWARM_HOME: home }
    return run(process.execPath, [bin, ...argv], { cwd: place.folder, env })
  }

  async function json(...argv: readonly string[]): Promise<Record<string, unknown>> {
    const { stdout } = await deltaswarm(...argv, '--json')
    return JSON.parse(stdout) as Record<string, unknown>
  }

  function data(name: string): string {
    return join('node_modules/deltaswarm/node/demo/data', name)
  }

  it('says its version', async () => {
    assert.equal((await deltaswarm('--version')).stdout, `${manifest.version}\n`)
  })

  it('publishes, runs as a daemon and measures', async () => {
    const { peer } = await json('init')
    const models = [data('digits-light'), '--base', data('base')]
    const published = await json('publish', ...models, '-n', 'digits')
    assert.equal(published['name'], 'digits')
    await json('data', 'add', data('eval/digits.safetensors'), '-n', 'suite')

    assert.equal((await json('up', '-d'))['peer'], peer)
    const { blocks } = await json('status')
    assert.ok((blocks as number) > 0)
    const { measured, variants } = await json('evaluate', 'digits', '--data', 'suite')
    assert.ok((measured as number) > 0)
    const [{ difference, class: verdict }] = variants as [{ difference: number; class: string }]
    assert.ok(difference < 0, `${difference} is no gain on the expert's own task`)
    assert.equal(verdict, 'improved')

    assert.equal((await json('down'))['running'], true)
    await assert.rejects(deltaswarm('status'), { code: 9 })
  })

  for (const [door, names] of [
    ['deltaswarm', ['openSafetensors', 'loadCodecs', 'planRecipe']],
    ['deltaswarm/protocol', ['createExchange', 'createSync', 'decodeRecord']],
    ['deltaswarm/node', ['createNode', 'publish', 'readConfig']],
  ] as const) {
    it(`opens the door ${door} to programs and to their types`, async () => {
      const program = `import { ${names.join(', ')} } from '${door}'\n`
      const print = `process.stdout.write([${names.join(', ')}].map((name) => typeof name).join())`
      const file = place.path('program.mts')
      await writeFile(file, program + print)
      const { stdout } = await run(process.execPath, [file], { cwd: place.folder })
      assert.equal(stdout, names.map(() => 'function').join())
      // It checks declaration files too; those of libp2p need names of the DOM.
      const lib = ['--target', 'es2024', '--lib', 'es2024,esnext.disposable,dom', '--types', 'node']
      await compile(place.folder, '--noEmit', '--strict', '--module', 'nodenext', ...lib, file)
    })
  }
})

/** Lays the package out below `node_modules` with what its manifest lists and nothing else. */
async function install({ files, dependencies }: Manifest, place: Workplace): Promise<void> {
  const built = place.path('built')
  const project = join(repository, 'tsconfig.build.json')
  await compile(repository, '-p', project, '--outDir', join(built, 'dist'))

  const modules = place.path('node_modules')
  for (const path of ['package.json', ...files]) {
    const from = path.startsWith('dist/') ? built : repository
    await cp(join(from, path), join(modules, 'deltaswarm', path), { recursive: true })
  }
  // Only what the manifest declares; each finds its own dependencies from its real path.
  for (const name of [...Object.keys(dependencies), '@types/node']) {
    await mkdir(dirname(join(modules, name)), { recursive: true })
    await symlink(join(repository, 'node_modules', name), join(modules, name), 'junction')
  }
}

async function compile(cwd: string, ...argv: readonly string[]): Promise<void> {
  await run(process.execPath, [tsc, ...argv], { cwd }).catch(({ stdout }: { stdout: string }) =>
    assert.fail(`tsc says\n${stdout}`),
  )
}
