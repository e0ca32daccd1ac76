import assert from 'node:assert/strict'
import { command, demoPath, openWorkplace, type Ran, type Workplace } from './command.ts'

const base = demoPath('base')
const fine = demoPath('digits-light')

interface Diff {
  readonly a: { readonly id: string; readonly name: string }
  readonly recipes: readonly string[]
  readonly total: Record<string, number | null>
  readonly blocks?: {
    readonly sharedBytes: number
    readonly bytesA: number
    readonly bytesB: number
  }
  readonly tensors: readonly {
    readonly name: string
    readonly normDifference: number
    readonly storedA?: { readonly codec: string }
    readonly storedB?: { readonly codec: string }
  }[]
}

describe('diff', () => {
  let place: Workplace
  let home: string

  before(async () => {
    place = await openWorkplace()
    home = place.path('home')
    await run('publish', fine, '--base', base, '-n', 'digits')
    await run('publish', fine, '--base', base, '-n', 'bits', '--codec', 'bitdelta')
    await run('edit', 'digits', 'dare=p:0.9,seed:7', '-n', 'sparse')
    await run('publish', base, '--base', demoPath('kana-light'), '-n', 'foreign')
  })
  after(() => place.remove())

  const run = (...argv: readonly string[]): Promise<Ran> => command([...argv, '--home', home])
  const ask = async (...argv: readonly string[]): Promise<Diff> =>
    (await run('diff', ...argv, '--json')).json() as unknown as Diff

  it('gives norms, angle, signs and equal values, the tensors that differ most first', async () => {
    const { total, tensors } = await ask('digits', 'bits')
    assert.equal(total['tensors'], 70)
    assert.ok(Math.abs(total['cosine']! - 0.8) < 0.01)
    assert.equal(total['sameSign'], 1)
    assert.ok(total['equal']! > 0 && total['equal']! < 0.1, 'what raw stores is equal')
    assert.equal(tensors.length, 10)
    const sizes = tensors.map(({ normDifference }) => normDifference)
    assert.deepEqual(
      sizes,
      sizes.toSorted((x, y) => y - x),
    )
    const [first] = tensors
    assert.deepEqual([first!.storedA?.codec, first!.storedB?.codec], ['raw', 'bitdelta'])
    assert.equal((await ask('digits', 'bits', '--tensors')).tensors.length, 70)
  })

  it('says what of the second need not be fetched, and how the recipes differ', async () => {
    const { blocks, recipes, total } = await ask('digits', 'sparse')
    assert.equal(blocks!.sharedBytes, blocks!.bytesA)
    assert.ok(blocks!.bytesB - blocks!.sharedBytes < 300)
    assert.deepEqual(recipes, ['digits → dare(digits, p=0.9, seed=7)'])
    assert.equal(total['sameSign'], 1)
  })

  it('finds that a fine-tune and its exact delta are the same', async () => {
    const { total, tensors, blocks } = await ask('digits', fine)
    assert.deepEqual([total['normDifference'], total['equal'], blocks], [0, 1, undefined])
    assert.deepEqual(tensors, [])
    const { stdout } = await run('diff', 'digits', fine)
    assert.match(stdout, /‖B−A‖ 0 {2}cosine 1\.00 {2}same sign 100\.0 % {2}equal 100\.0 %$/m)
  })

  it('compares two folders over a base that is given', async () => {
    const kana = demoPath('kana-light')
    const { total, recipes } = await ask(fine, kana, '--base', base)
    assert.ok(Math.abs(total['cosine']!) < 0.1)
    assert.deepEqual(recipes, [`${fine} → ${kana}`])
    const refused = await run('diff', fine, kana, '--json')
    assert.deepEqual([refused.code, refused.error().id], [2, 'E_BASE_NEEDED'])
  })

  it('refuses variants of different bases and names both', async () => {
    const refused = await run('diff', 'digits', 'foreign', '--json')
    const { id, exit, expected, actual, fix } = refused.error()
    assert.deepEqual([id, exit], ['E_BASE_MISMATCH', 6])
    assert.notEqual(expected, actual)
    assert.deepEqual(fix, ['compare variants of one base'])
  })
})

describe('inspect', () => {
  let place: Workplace
  let home: string

  before(async () => {
    place = await openWorkplace()
    home = place.path('home')
    await run('publish', fine, '--base', base, '-n', 'bits', '--codec', 'bitdelta')
    await run('edit', 'bits', 'trim=density:0.25', '-n', 'thin')
  })
  after(() => place.remove())

  const run = (...argv: readonly string[]): Promise<Ran> => command([...argv, '--home', home])
  const ask = async (...argv: readonly string[]) => (await run(...argv, '--json')).json()

  it('counts tensors always and lists them when asked', async () => {
    const { tensorCount, tensors, bpw, elements } = await ask('inspect', 'bits')
    assert.deepEqual([tensorCount, tensors], [70, undefined])
    const listed = (await ask('inspect', 'bits', '--tensors'))['tensors'] as {
      bytes: number
      elements: number
    }[]
    assert.equal(listed.length, 70)
    const sum = (field: 'bytes' | 'elements'): number =>
      listed.reduce((total, tensor) => total + tensor[field], 0)
    assert.equal(sum('elements'), elements)
    assert.equal((8 * sum('bytes')) / sum('elements'), bpw)
  })

  it('measures layer by layer, what stands in none first', async () => {
    const layers = (await ask('inspect', 'thin', '--layers'))['layers'] as {
      layer: string | null
      norm: number
      relativeNorm: number
      zeros: number
      stored?: object
    }[]
    assert.deepEqual(
      layers.map(({ layer }) => layer),
      [null, ...[0, 1, 2, 3].map((i) => `vit.encoder.layer.${i}`)],
    )
    for (const { layer, zeros, relativeNorm, stored } of layers) {
      assert.equal(stored, undefined, 'a recipe stores nothing')
      assert.ok(relativeNorm > 1e-4 && relativeNorm < 0.1)
      if (layer !== null) assert.ok(Math.abs(zeros - 0.75) < 0.02, 'matrices are trimmed')
    }
    const whole = (await ask('inspect', 'bits', '--layers'))['layers'] as {
      stored: { bytes: number; codecs: Record<string, number> }
    }[]
    assert.deepEqual(whole[1]!.stored.codecs, { raw: 10, bitdelta: 6 })
  })

  it('finds the rank of a delta that was cut to it, and what share each rank holds', async () => {
    await run('edit', 'bits', 'low-rank=rank:2', '-n', 'flat')
    const spectra = (await ask('inspect', 'flat', '--spectrum'))['spectrum'] as {
      name: string
      values: number[]
      energy: number[]
      norm: number
      stableRank: number
    }[]
    assert.equal(spectra.length, 24)
    for (const { name, values, energy, norm, stableRank } of spectra) {
      assert.ok(values[2]! < 1e-5 * values[0]!, `${name} has a third direction`)
      assert.ok(energy[1]! > 0.99999 && energy[0]! < 1)
      assert.ok(stableRank >= 1 && stableRank <= 2)
      const squares = values.reduce((sum, value) => sum + value ** 2, 0)
      assert.ok(Math.abs(Math.sqrt(squares) - norm) < 1e-4 * norm)
    }
  })
})
