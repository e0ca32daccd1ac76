import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openJournal } from '../../../node/storage/journal.ts'
import { openStore, type Store } from '../../../node/storage/store.ts'
import { publicNetworkId } from '../../../protocol/index.ts'
import { encodeCanonical } from '../../../src/index.ts'
import { tempFolder } from './temp-folder.ts'

describe('a store', () => {
  const folder = tempFolder()
  const open = (): Promise<Store> => openStore(folder(), publicNetworkId)
  const journalPath = (): string => join(folder(), 'store', 'journal')

  it('keeps marks of any name, each kind for itself', async () => {
    let store = await open()
    const names = [
      'a',
      '',
      'a/b',
      'naïve',
      '名前',
      '😀',
      '\u{10ffff}',
      '\uffff',
      '__proto__',
      'x'.repeat(500),
    ]
    for (const name of names) await store.names.set(name, `first ${name}`)
    for (const name of names) await store.names.set(name, `value of ${name}`)
    await store.bases.set('a', 'a base')
    await store.data.set('a', '')
    await store.names.set('gone', 'soon')
    await store.names.remove('gone')
    await store.names.remove('never there')
    const check = async (): Promise<void> => {
      const all = await store.names.all()
      assert.deepEqual([...all.keys()].sort(), names.toSorted())
      for (const name of names) {
        assert.equal(all.get(name), `value of ${name}`)
        assert.equal(await store.names.get(name), `value of ${name}`)
      }
      assert.deepEqual([...(await store.bases.all())], [['a', 'a base']])
      assert.deepEqual([...(await store.data.all())], [['a', '']])
      assert.equal(await store.names.get('gone'), undefined)
      assert.equal(await store.bases.get('naïve'), undefined)
    }
    await check()
    await store.close()
    store = await open()
    assert.deepEqual(store.findings, [])
    await check()
    await store.close()
  })

  it('refuses a mark too large for the journal without harm to others', async () => {
    const store = await open()
    const results = await Promise.allSettled([
      store.names.set('small', 'value'),
      store.names.set('large', 'x'.repeat(70_000)),
      store.names.set('other', 'value'),
    ])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.deepEqual([...(await store.names.all()).keys()], ['other', 'small'])
    await store.close()
  })

  it('belongs to one process at a time', async () => {
    const store = await open()
    await store.names.set('before', '1')
    // What the holder may be in the middle of writing looks torn to others.
    const half = Buffer.concat([readFileSync(journalPath()), Buffer.from([0xd5, 0x1a, 0x4e, 0x01])])
    writeFileSync(journalPath(), half)
    await assert.rejects(open(), {
      name: 'EnvironmentError',
      id: 'E_STORE_LOCKED',
      fix: ['wait for the other command, or stop the daemon with deltaswarm down'],
    })
    assert.deepEqual(readFileSync(journalPath()), half)
    writeFileSync(journalPath(), half.subarray(0, -4))
    await store.names.set('after', '2')
    await store.close()
    const again = await open()
    assert.deepEqual([...(await again.names.all()).keys()], ['after', 'before'])
    await again.close()
  })

  it('belongs to one network', async () => {
    await (await open()).close()
    await assert.rejects(openStore(folder(), new Uint8Array(32).fill(7)), { id: 'E_STORE_NETWORK' })
    await (await open()).close()
  })

  it('of a later version is not opened, and not changed', async () => {
    const store = await open()
    await store.close()
    const journal = await openJournal(journalPath())
    await journal.append([encodeCanonical({ entry: 'something new' })])
    await journal.close()
    const before = readFileSync(journalPath())
    for (let i = 0; i < 2; i++) await assert.rejects(open(), { id: 'E_JOURNAL_ENTRY' })
    assert.deepEqual(readFileSync(journalPath()), before)
  })
})
