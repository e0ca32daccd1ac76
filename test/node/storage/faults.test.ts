import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '../../../node/storage/store.ts'
import { publicNetworkId } from '../../../protocol/index.ts'
import { type CID, cidOf, RAW } from '../../../src/index.ts'
import { keyOf, signedScore } from '../../protocol/fixtures.ts'
import { failingNth } from './failing-disk.ts'
import { tempFolder } from './temp-folder.ts'

interface Acknowledged {
  readonly records: CID[]
  readonly blocks: CID[]
  readonly names: string[]
}

describe('a store on a disk of which any one call fails', () => {
  const folder = tempFolder()

  for (const [code, step, title] of [
    ['EIO', 3, 'every third call with EIO'],
    ['EIO', 1, 'every call with EIO #slow'],
    ['ENOSPC', 1, 'every call with ENOSPC #slow'],
  ] as const) {
    it(`loses nothing that it acknowledged, and opens again: ${title}`, async () => {
      const before: Acknowledged = { records: [], blocks: [], names: [] }
      await use(join(folder(), 'before'), 1, before)
      const failed = new Set<string>()
      for (let n = 1; ; n += step) {
        const home = join(folder(), `${n}`)
        cpSync(join(folder(), 'before'), home, { recursive: true })
        const acknowledged = {
          records: [...before.records],
          blocks: [...before.blocks],
          names: [...before.names],
        }
        const call = await failingNth(n, code, () => attempt(() => use(home, 2, acknowledged)))
        if (call === undefined) break
        failed.add(call)

        const where = `call ${n}, ${call}`
        const store = await openStore(home, publicNetworkId)
        for (const id of acknowledged.records) {
          assert.ok((await store.records.get(id)) !== undefined, where)
        }
        for (const cid of acknowledged.blocks) {
          assert.ok((await store.blocks.get(cid)) !== undefined, where)
        }
        for (const name of acknowledged.names) {
          assert.equal(await store.names.get(name), 'value', where)
        }
        assert.deepEqual(store.blocks.quarantined, [], where)
        await store.close()
      }
      assert.ok(failed.has('sync') && failed.size > 4, [...failed].join(' '))
    })
  }
})

/** Goes on after errors, as a daemon does, and notes what it was promised. */
async function use(home: string, round: number, acknowledged: Acknowledged): Promise<void> {
  const key = await keyOf(1)
  const store = await openStore(home, publicNetworkId)
  const put: CID[] = []
  for (let i = 0; i < 2; i++) {
    await attempt(async () => {
      const bytes = new Uint8Array(1000).fill(10 * round + i)
      await store.blocks.put(cidOf(bytes, RAW), bytes)
      put.push(cidOf(bytes, RAW))
    })
    await attempt(async () => {
      await store.blocks.flush()
      acknowledged.blocks.push(...put)
    })
    await attempt(async () => {
      const seq = store.records.nextSeq(key.publicKey.raw, 'score')
      const added = await store.records.add([signedScore(key, { seq })])
      acknowledged.records.push(...added.map(({ id }) => id))
    })
    await attempt(async () => {
      await store.names.set(`name ${round} ${i}`, 'value')
      acknowledged.names.push(`name ${round} ${i}`)
    })
    await attempt(async () => {
      for (const cid of put) await store.blocks.get(cid)
    })
  }
  await attempt(() => store.close())
}

async function attempt(work: () => Promise<void>): Promise<void> {
  await work().catch(() => {})
}
