import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { command, demoPath, openWorkplace, type Ran, type Workplace } from './command.ts'

const words = ['publish', demoPath('kana-light'), '--base', demoPath('base'), '-n', 'kana']

describe('publish', () => {
  let place: Workplace
  let home: string

  before(async () => {
    place = await openWorkplace()
    home = place.path('home')
  })
  after(() => place.remove())

  const run = (...argv: readonly string[]): Promise<Ran> => command([...argv, '--home', home])
  const ask = async (...argv: readonly string[]) => (await run(...argv, '--json')).json()
  const blocks = async (): Promise<string[]> =>
    readdir(join(home, 'store/blocks'), { recursive: true })

  it('says with --dry-run what it would publish, id and all, and stores nothing', async () => {
    await command(['init', '--home', home])
    const tried = await ask(...words, '--codec', 'bitdelta', '--dry-run')
    assert.deepEqual((await ask('ls'))['items'], [])
    assert.deepEqual(await blocks(), [])
    const { dryRun, ...facts } = await ask(...words, '--codec', 'bitdelta')
    assert.deepEqual([tried['dryRun'], dryRun], [true, false])
    assert.deepEqual(tried, { ...facts, dryRun: true })
    assert.ok((await blocks()).length > 0)
  })

  it('loses nothing with raw, what one bit cannot hold with bitdelta', async () => {
    const exact = await ask(...words, '--dry-run')
    assert.deepEqual([exact['relativeError'], exact['editError']], [0, 0])
    const { relativeError, editError } = await ask(...words, '--codec', 'bitdelta', '--dry-run')
    // Of Gaussian deltas √(1 − 2/π) = 0.603.
    assert.ok(Math.abs((relativeError as number) - 0.6) < 0.02, String(relativeError))
    assert.equal(editError, relativeError)
  })

  it('tells the loss of the codec from that of the edits', async () => {
    const sparse = ['--codec', 'sparse=mask:seeded,drop:0.9,seed:7', '--edit', 'dare=p:0.9,seed:7']
    const { relativeError, editError } = await ask(...words, ...sparse, '--dry-run')
    assert.equal(relativeError, 0)
    assert.ok(Math.abs((editError as number) - 3) < 0.1, String(editError))
  })

  it('gives edits their seed and their mode as `edit` does', async () => {
    const id = async (...argv: readonly string[]) =>
      (await ask(...words, '--codec', 'sparse', '--dry-run', ...argv))['id']
    const seeded = await id('--edit', 'dare=p:0.5', '--seed', '7')
    assert.equal(seeded, await id('--edit', 'dare=p:0.5,seed:7'))
    assert.notEqual(seeded, await id('--edit', 'dare=p:0.5'))
    assert.notEqual(seeded, await id('--edit', 'dare=p:0.5', '--seed', '7', '--mode', 'mergekit'))
    const none = await run(...words, '--dry-run', '--seed', '7', '--json')
    assert.equal(none.error().id, 'E_NO_SEED')
  })

  it('measures the error that diff finds', async () => {
    const { relativeError } = await ask(...words, '--codec', 'bitdelta')
    const { total } = (await ask('diff', demoPath('kana-light'), 'kana')) as {
      total: { relative: number }
    }
    assert.ok(Math.abs(total.relative - (relativeError as number)) < 1e-6, String(total.relative))
  })
})
