import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Journal, openJournal } from '../../../node/storage/journal.ts'
import { frame, MAX_PAYLOAD_BYTES } from '../../../node/storage/journal-frame.ts'
import { failingOnce } from './failing-disk.ts'
import { tempFolder } from './temp-folder.ts'

async function payloadsOf(journal: Journal, from = 0): Promise<Buffer[]> {
  const payloads: Buffer[] = []
  for await (const { payload } of journal.replay(from)) payloads.push(Buffer.from(payload))
  return payloads
}

/** Payloads that differ, of `length` bytes that include the magic and its prefix. */
function payload(number: number, length: number): Buffer {
  const bytes = Buffer.alloc(length, number)
  Buffer.from([0xd5, 0x1a, 0x4e, number % 3, 0xd5, 0x1a, 0x4e]).copy(bytes, length >> 1)
  return bytes
}

async function written(path: string, payloads: readonly Buffer[]): Promise<readonly number[]> {
  const journal = await openJournal(path)
  const positions = await journal.append(payloads)
  await journal.close()
  return positions
}

describe('the journal', () => {
  const folder = tempFolder()
  const path = (): string => join(folder(), 'journal')

  it('gives back what was appended, of every length and content', async () => {
    const magic = Buffer.from([0xd5, 0x1a, 0x4e, 0x01])
    const payloads = [
      Buffer.alloc(0),
      Buffer.from('one'),
      magic,
      magic.subarray(0, 3),
      Buffer.from([0xd5, 0x1a, 0x4e, 0xfe]),
      Buffer.from([0xd5, 0x1a, 0xd5, 0x1a, 0x4e, 0xd5, 0x1a, 0x4e, 0x01, 0x4e, 0x01]),
      frame(Buffer.from('an entry in an entry')),
      Buffer.alloc(MAX_PAYLOAD_BYTES, magic.subarray(0, 3)),
    ]
    const positions = await written(path(), payloads)

    const journal = await openJournal(path())
    assert.equal(journal.damaged, 0)
    assert.deepEqual(await payloadsOf(journal), payloads)
    for (const [i, at] of positions.entries()) {
      assert.deepEqual(Buffer.from(await journal.read(at)), payloads[i])
    }
    assert.deepEqual(await payloadsOf(journal, positions[3]), payloads.slice(3))
    await journal.close()
  })

  it('replays entries that straddle the windows of a large file', async () => {
    const payloads = Array.from({ length: 90 }, (_, i) => payload(i, 20_000 + 413 * i))
    await written(path(), payloads)
    assert.ok(readFileSync(path()).length > 3 * 1024 * 1024)
    const journal = await openJournal(path())
    assert.equal(journal.damaged, 0)
    assert.deepEqual(await payloadsOf(journal), payloads)
    await journal.close()
  })

  it('finds its way again behind damage of any length, at the edges of windows too', async () => {
    const payloads = Array.from({ length: 90 }, (_, i) => payload(i, 20_000 + 413 * i))
    const positions = await written(path(), payloads)
    const whole = readFileSync(path())
    const window = 1024 * 1024
    for (const [from, to] of [
      [window - 1, window],
      [window - 100_000, window + 1],
      [window - 87_000, window - 86_990],
      [10_000, 2 * window + 77],
    ] as const) {
      writeFileSync(path(), Buffer.from(whole).fill(0, from, to))
      const left = payloads.filter((_, i) => {
        const end = positions[i + 1] ?? whole.length
        return end <= from || positions[i]! >= to
      })
      const journal = await openJournal(path())
      assert.deepEqual(await payloadsOf(journal), left, `${from} to ${to}`)
      await journal.close()
    }
  })

  it('cuts off a last entry that was torn at any byte, and goes on behind it', async () => {
    const [first, second] = [payload(1, 40), payload(2, 40)]
    const [, at] = await written(path(), [first, second])
    const whole = readFileSync(path())
    for (let size = at!; size < whole.length; size++) {
      writeFileSync(path(), whole.subarray(0, size))
      const journal = await openJournal(path())
      assert.equal(journal.length, at)
      assert.equal(journal.damaged, size - at!)
      assert.deepEqual(await journal.append([second]), [at])
      assert.deepEqual(await payloadsOf(journal), [first, second])
      await journal.close()
    }
  })

  it('loses no more than the entry in which a bit flipped, and counts its bytes', async () => {
    const payloads = [payload(1, 30), payload(2, 31), payload(3, 32)]
    const positions = await written(path(), payloads)
    const whole = readFileSync(path())
    const ends = [...positions.slice(1), whole.length]
    for (let bit = 0; bit < 8 * whole.length; bit += 3) {
      const bytes = Buffer.from(whole)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      writeFileSync(path(), bytes)
      const hit = positions.findLastIndex((at) => at <= bit >> 3)
      const journal = await openJournal(path())
      const left = payloads.filter((_, i) => i !== hit)
      assert.deepEqual(await payloadsOf(journal), left, `bit ${bit}`)
      assert.equal(journal.damaged, ends[hit]! - positions[hit]!, `bit ${bit}`)
      if (hit < 2) assert.equal(journal.isDamaged(positions[hit]!), true)
      assert.equal(journal.isDamaged(positions[hit === 0 ? 1 : 0]!), false)
      await assert.rejects(journal.read(positions[hit]!), { id: 'E_JOURNAL_ENTRY' })
      await journal.close()
    }
  })

  it('finds no entry inside the payload of a damaged or torn one', async () => {
    const forged = Buffer.concat([Buffer.alloc(9), frame(Buffer.from('forged')), Buffer.alloc(40)])
    await written(path(), [forged, Buffer.from('honest'), forged])
    truncateSync(path(), readFileSync(path()).length - 3)
    const bytes = readFileSync(path())
    bytes[0]! ^= 1
    writeFileSync(path(), bytes)
    const journal = await openJournal(path())
    assert.deepEqual(await payloadsOf(journal), [Buffer.from('honest')])
    await journal.close()
  })

  it('refuses an entry that is too large before it writes anything', async () => {
    const journal = await openJournal(path())
    const tooLarge = Buffer.alloc(MAX_PAYLOAD_BYTES + 1)
    await assert.rejects(journal.append([Buffer.from('a'), tooLarge]), { id: 'E_ENTRY_SIZE' })
    assert.equal(readFileSync(path()).length, 0)
    await journal.append([Buffer.from('b')])
    assert.deepEqual(await payloadsOf(journal), [Buffer.from('b')])
    await journal.close()
  })

  it('rejects reading where no entry begins', async () => {
    const [, at] = await written(path(), [payload(1, 20), payload(2, 20)])
    const journal = await openJournal(path())
    for (const wrong of [1, at! - 1, at! + 1, journal.length, 10 ** 12]) {
      await assert.rejects(journal.read(wrong), { id: 'E_JOURNAL_ENTRY' })
    }
    await journal.close()
  })

  it('accepts nothing more after a failed fsync, until it is opened again', async () => {
    const journal = await openJournal(path())
    await journal.append([Buffer.from('durable')])
    await failingOnce('sync', 'EIO', async () => {
      await assert.rejects(journal.append([Buffer.from('unknown')]), { id: 'E_DISK_FAILED' })
    })
    await assert.rejects(journal.append([Buffer.from('later')]), { id: 'E_DISK_FAILED' })
    await journal.close()
    const again = await openJournal(path())
    assert.deepEqual((await payloadsOf(again))[0], Buffer.from('durable'))
    await again.close()
  })

  it('takes back a write that the disk had no room for, and goes on', async () => {
    const journal = await openJournal(path())
    await journal.append([Buffer.from('before')])
    await failingOnce('appendFile', 'ENOSPC', async () => {
      await assert.rejects(journal.append([Buffer.from('no room')]), { id: 'E_DISK_FULL' })
    })
    await journal.append([Buffer.from('after')])
    assert.deepEqual(await payloadsOf(journal), [Buffer.from('before'), Buffer.from('after')])
    await journal.close()
  })

  it('does not change an undamaged file when it is opened', async () => {
    await written(path(), [payload(1, 100), payload(2, 100)])
    copyFileSync(path(), join(folder(), 'copy'))
    await (await openJournal(path())).close()
    assert.deepEqual(readFileSync(path()), readFileSync(join(folder(), 'copy')))
  })
})
