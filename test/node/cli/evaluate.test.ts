import assert from 'node:assert/strict'
import { command, demoPath, openWorkplace, type Ran, type Workplace } from './command.ts'

describe('evaluate #slow', function () {
  this.timeout(60_000)
  let place: Workplace

  before(async () => {
    place = await openWorkplace()
    const base = demoPath('base')
    await ask('publish', demoPath('digits-light'), '--base', base, '-n', 'd')
    const test = demoPath('eval/digits.safetensors')
    await ask('data', 'add', test, '-n', 'parts', '--split', 'a,b,c,d,e,f,g,h')
  })
  after(() => place.remove())

  const run = (...argv: readonly string[]): Promise<Ran> =>
    command([...argv, '--home', place.path('home')])
  const ask = async (...argv: readonly string[]) => (await run(...argv, '--json')).json()
  const isAnnounced = async (id: unknown): Promise<unknown> =>
    ((await ask('ls'))['items'] as Record<string, unknown>[]).find((item) => item['id'] === id)?.[
      'announced'
    ]

  it('announces what was only kept here, because it passes its scores on', async () => {
    const { id: recipe } = await ask('edit', 'd', 'scale=alpha:0.5', '-n', 'further')
    const { id: delta } = await ask('edit', 'd', 'drop=p:0.5', '-n', 'less', '--materialise')
    assert.deepEqual([await isAnnounced(recipe), await isAnnounced(delta)], [false, false])
    const words = ['evaluate', 'further', 'less', '--data', 'parts.a', '--device', 'cpu']
    const first = await ask(...words)
    assert.deepEqual(first['announced'], [recipe, delta])
    assert.deepEqual([await isAnnounced(recipe), await isAnnounced(delta)], [true, true])
    assert.deepEqual((await ask(...words))['announced'], [])
    const listed = (await ask('ls'))['items'] as { name: string; summary: string }[]
    const { summary } = listed.find(({ name }) => name === 'further')!
    assert.equal(summary, 'scale(d, alpha=0.5)')
  })
})
