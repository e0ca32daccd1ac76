import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { loadIdentity } from '../../node/identity.ts'
import { openWorkplace, type Workplace } from './cli/command.ts'

describe('the key of a node', () => {
  let place: Workplace

  beforeEach(async () => {
    place = await openWorkplace()
  })
  afterEach(() => place.remove())

  it('is one, however many commands make it at the same time', async () => {
    const home = place.path('home')
    const keys = await Promise.all(Array.from({ length: 4 }, () => loadIdentity(home)))
    const kept = await loadIdentity(home)
    for (const key of keys) assert.ok(key.equals(kept))
    assert.deepEqual(await readdir(join(home, 'keys')), ['node.key'])
  })
})
