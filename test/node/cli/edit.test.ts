import assert from 'node:assert/strict'
import { openFolder } from '../../../src/checkpoints/folder.ts'
import { weightsId } from '../../../src/checkpoints/weights-id.ts'
import { command, demoPath, openWorkplace, type Ran, type Workplace } from './command.ts'

const base = demoPath('base')

interface Preview {
  readonly steps: readonly {
    readonly operator: string
    readonly intensity: number
    readonly change: number
    readonly cosine: number
    readonly tensors: number
    readonly passes: readonly string[]
  }[]
  readonly whole: { readonly change: number }
  readonly delta: { readonly tensors: number; readonly elements: number }
  readonly measured: { readonly tensors: number }
  readonly untouched: number
  readonly materialised: { readonly bytes: number; readonly bpw: number; readonly basis: string }
  readonly memory: { readonly plan: number; readonly process: number }
  readonly time: { readonly seconds: number; readonly basis: string }
}

describe('edit', () => {
  let place: Workplace
  let home: string

  before(async () => {
    place = await openWorkplace()
    home = place.path('home')
    const { code, stderr } = await run(
      'publish',
      demoPath('digits-light'),
      '--base',
      base,
      '-n',
      'd',
    )
    assert.equal(code, 0, stderr)
  })
  after(() => place.remove())

  const run = (...argv: readonly string[]): Promise<Ran> => command([...argv, '--home', home])
  const ask = async (...argv: readonly string[]) => (await run(...argv, '--json')).json()
  const listed = async (): Promise<readonly Record<string, unknown>[]> =>
    (await ask('ls'))['items'] as Record<string, unknown>[]

  it('keeps a recipe of a few bytes here, and announces it only when asked', async () => {
    const kept = await ask('edit', 'd', 'scale=alpha:0.5', '-n', 'further')
    assert.equal(kept['announced'], false)
    assert.ok((kept['ownBytes'] as number) < 300)
    assert.ok((kept['closureBytes'] as number) > 1e6)
    const find = async () => (await listed()).find(({ id }) => id === kept['id'])
    assert.deepEqual([(await find())?.['name'], (await find())?.['announced']], ['further', false])
    const again = await ask('edit', 'd', 'scale=alpha:0.5', '-n', 'further', '--publish')
    assert.deepEqual([again['id'], again['announced']], [kept['id'], true])
    assert.equal((await find())?.['announced'], true)
    assert.equal((await listed()).filter(({ id }) => id === kept['id']).length, 1)
  })

  it('gives its seed to every edit that takes one and has none', async () => {
    const edits = ['dare=p:0.5', 'scale=alpha:0.1', 'drop=p:0.1,seed:3']
    const filled = await ask('edit', 'd', ...edits, '--seed', '7')
    const spelt = ['dare=p:0.5,seed:7', 'scale=alpha:0.1', 'drop=p:0.1,seed:3']
    assert.equal((await ask('edit', 'd', ...spelt))['id'], filled['id'])
    assert.notEqual((await ask('edit', 'd', ...edits))['id'], filled['id'])
  })

  it('goes by another delta that is named with by:', async () => {
    await ask('edit', 'd', 'trim=density:0.25', '-n', 'mask')
    const argv = ['edit', 'd', 'dare=k:0.5,select:mask,by:mask', '-n', 'masked']
    const { preview } = (await ask(...argv, '--dry-run')) as unknown as { preview: Preview }
    assert.equal(preview.steps[0]!.tensors, 24)
    await ask(...argv)
    const { recipe, ownBytes } = await ask('inspect', 'masked')
    assert.match(recipe as string, /^dare\(d, trim\(d, density=0\.25\); select=mask, k=0\.5\)$/)
    assert.ok((ownBytes as number) < 500)
  })

  it('measures what it would do with --dry-run, keeps nothing, and says the id it would have', async () => {
    const before = await listed()
    const argv = ['edit', 'd', 'dare=p:0.9', 'scale=alpha:-1', '--seed', '7', '-n', 'tried']
    const tried = await ask(...argv, '--dry-run')
    assert.deepEqual(await listed(), before)
    assert.deepEqual([tried['dryRun'], tried['announced']], [true, false])
    const { steps, whole, delta, measured, untouched, ...rest } = tried['preview'] as Preview
    const [dare, scale] = steps
    assert.equal(dare!.operator, 'dare')
    assert.ok(Math.abs(dare!.intensity - 9) < 0.2 && Math.abs(dare!.cosine - 0.316) < 0.01)
    assert.ok(dare!.change < Math.sqrt(dare!.intensity), 'what it passes through does not change')
    assert.deepEqual([dare!.tensors, dare!.passes.length], [24, 46])
    assert.ok(dare!.passes.includes('vit.embeddings.cls_token'))
    assert.deepEqual([scale!.intensity, scale!.change, scale!.cosine], [1, 1, null])
    assert.equal(whole.change, 1)
    assert.deepEqual([delta.tensors, measured.tensors, untouched], [70, 70, 2])
    assert.equal(rest.materialised.basis, 'measured')
    assert.ok(rest.memory.plan > 0 && rest.memory.process > rest.memory.plan)
    assert.ok(rest.time.seconds > 0)
    const made = await ask(...argv)
    assert.deepEqual(
      ['id', 'ownBytes', 'closureBytes'].map((field) => tried[field]),
      ['id', 'ownBytes', 'closureBytes'].map((field) => made[field]),
    )
  })

  it('says in words what it would do', async () => {
    const { stdout, stderr } = await run('edit', 'd', 'dare=p:0.9', '--seed', '7', '--dry-run')
    assert.match(
      stdout,
      /^edit\tintensity\texpected\tchange\tcosine\ttensors\tweights\ndare\t9\.04\t/,
    )
    assert.match(stdout, /^measured over all 70 tensors of the delta$/m)
    assert.match(stdout, /^dare \(scope matrices\): 46 tensors outside the scope pass through: /m)
    assert.match(stdout, /^stored as raw it would take \d+ kB, [\d.]+ bits per weight$/m)
    assert.match(stdout, /^needs [\d.]+ MB beside the [\d.]+ [MG]B of the process, /m)
    assert.match(stdout, /^dare of d {2}recipe, own \d+ B, closure 1\.\d+ MB$/m)
    assert.equal(stderr, 'nothing was kept: leave --dry-run out to make it\n')
  })

  it('stores the very weights of the recipe with --materialise', async () => {
    const edits = ['d', 'dare=p:0.9,seed:7', 'trim=density:0.05']
    const recipe = await ask('edit', ...edits, '-n', 'recipe')
    const tried = await ask('edit', ...edits, '-n', 'stored', '--materialise', '--dry-run')
    const stored = await ask('edit', ...edits, '-n', 'stored', '--materialise')
    assert.equal(tried['id'], stored['id'])
    assert.notEqual(stored['id'], recipe['id'])
    assert.equal(stored['ownBytes'], stored['closureBytes'])
    const inspected = await ask('inspect', 'stored')
    const { id } = await ask('inspect', 'd')
    assert.deepEqual(inspected['parents'], [id])
    const ids: string[] = []
    for (const name of ['recipe', 'stored']) {
      await ask('export', name, '-o', place.path(`out-${name}`))
      const folder = await openFolder(place.path(`out-${name}`))
      ids.push((await weightsId(folder.checkpoint)).id.toString())
      await folder.close()
    }
    assert.equal(ids[0], ids[1])
  })

  it('stores them in another codec and says what that loses', async () => {
    const argv = ['edit', 'd', 'trim=density:0.1', '-n', 'thin', '--materialise', '--codec']
    const { encoding } = (await ask(...argv, 'sparse=values:BF16')) as {
      encoding: { bpw: number; relativeError: number }
    }
    assert.ok(encoding.bpw < 4)
    assert.ok(encoding.relativeError > 1e-4 && encoding.relativeError < 4e-3, 'of bf16')
  })
})
