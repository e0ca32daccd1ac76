import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeSafetensors } from '../../../src/checkpoints/files.ts'
import { command, demoPath, openWorkplace, type Ran, type Workplace } from './command.ts'

const publication = ['publish', demoPath('kana-light'), '--base', demoPath('base'), '-n', 'kana']

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
    const tried = await ask(...publication, '--codec', 'bitdelta', '--dry-run')
    assert.deepEqual((await ask('ls'))['items'], [])
    assert.deepEqual(await blocks(), [])
    const { dryRun, ...facts } = await ask(...publication, '--codec', 'bitdelta')
    assert.deepEqual([tried['dryRun'], dryRun], [true, false])
    assert.deepEqual(tried, { ...facts, dryRun: true })
    assert.ok((await blocks()).length > 0)
  })

  it('loses nothing with raw, what one bit cannot hold with bitdelta', async () => {
    const exact = await ask(...publication, '--dry-run')
    assert.deepEqual([exact['relativeError'], exact['editError']], [0, 0])
    const { relativeError, editError } = await ask(
      ...publication,
      '--codec',
      'bitdelta',
      '--dry-run',
    )
    // Of Gaussian deltas √(1 − 2/π) = 0.603.
    assert.ok(Math.abs((relativeError as number) - 0.6) < 0.02, String(relativeError))
    assert.equal(editError, relativeError)
  })

  it('tells the loss of the codec from that of the edits', async () => {
    const sparse = ['--codec', 'sparse=mask:seeded,drop:0.9,seed:7', '--edit', 'dare=p:0.9,seed:7']
    const { relativeError, editError } = await ask(...publication, ...sparse, '--dry-run')
    assert.equal(relativeError, 0)
    assert.ok(Math.abs((editError as number) - 3) < 0.1, String(editError))
  })

  it('gives edits their seed and their mode as `edit` does', async () => {
    const id = async (...argv: readonly string[]) =>
      (await ask(...publication, '--codec', 'sparse', '--dry-run', ...argv))['id']
    const seeded = await id('--edit', 'dare=p:0.5', '--seed', '7')
    assert.equal(seeded, await id('--edit', 'dare=p:0.5,seed:7'))
    assert.notEqual(seeded, await id('--edit', 'dare=p:0.5'))
    assert.notEqual(seeded, await id('--edit', 'dare=p:0.5', '--seed', '7', '--mode', 'mergekit'))
    const none = await run(...publication, '--dry-run', '--seed', '7', '--json')
    assert.equal(none.error().id, 'E_NO_SEED')
  })

  it('fits scales to the activations in a file, and says to how many', async () => {
    const [fitted, other] = ['attention.attention.key', 'intermediate.dense'].map(
      (name) => `vit.encoder.layer.0.${name}.weight`,
    ) as [string, string]
    const file = await activations(fitted, [5, 96])
    const words = [...publication, '--codec', 'bitdelta', '--dry-run']
    const errors = async (...more: readonly string[]) => {
      const { perTensor, calibrated } = await ask(...words, ...more)
      const all = perTensor as { name: string; relativeError: number }[]
      const errorOf = (name: string) => all.find((it) => it.name === name)!.relativeError
      return { calibrated, fitted: errorOf(fitted), other: errorOf(other) }
    }
    const [plain, by] = [await errors(), await errors('--calibration', file)]
    assert.deepEqual([plain.calibrated, by.calibrated], [undefined, 1])
    // The mean is what loses least of the weights; what loses least of the outputs is another scale.
    assert.ok(by.fitted > plain.fitted)
    assert.equal(by.other, plain.other)
  })

  it('refuses activations that do not fit or that nothing asks for', async () => {
    const name = 'vit.encoder.layer.0.attention.attention.key.weight'
    const good = await activations(name, [5, 96])
    const refused: readonly (readonly string[])[] = [
      ['--calibration', await activations(name, [5, 95]), '--codec', 'bitdelta'],
      ['--calibration', await activations('nothing', [5, 96]), '--codec', 'bitdelta'],
      ['--calibration', good, '--codec', 'raw'],
      ['--calibration', good, '--codec', 'bitdelta=scales:group'],
      ['--calibration', good, '--codec', 'residual=like:kana'],
    ]
    await ask(...publication)
    for (const more of refused) {
      const ran = await run(...publication, ...more, '--json')
      assert.equal(ran.error().id, 'E_CALIBRATION', more.join(' '))
    }
  })

  it('refuses a scope that reaches nothing', async () => {
    const ran = await run(...publication, '--codec', 'bitdelta=scope:*.none.*', '--json')
    assert.equal(ran.error().id, 'E_EMPTY_SCOPE')
  })

  /** A file with inputs of one weight. */
  async function activations(name: string, shape: readonly number[]): Promise<string> {
    const path = place.path(`${name}-${shape.join('x')}.safetensors`)
    const values = Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => (i % 7) - 2)
    const bytes = new Uint8Array(values.buffer)
    await rm(path, { force: true })
    await writeSafetensors(path, [{ name, dtype: 'F32', shape }], async function* () {
      yield bytes
    })
    return path
  }

  it('measures the error that diff finds', async () => {
    const { relativeError } = await ask(...publication, '--codec', 'bitdelta')
    const { total } = (await ask('diff', demoPath('kana-light'), 'kana')) as {
      total: { relative: number }
    }
    assert.ok(Math.abs(total.relative - (relativeError as number)) < 1e-6, String(total.relative))
  })
})
