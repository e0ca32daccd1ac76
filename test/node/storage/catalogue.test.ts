import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Level } from 'level'
import { openLedger } from '../../../node/storage/ledger.ts'
import { openMarks } from '../../../node/storage/marks.ts'
import { tempFolder } from './temp-folder.ts'

/** What the store in `folder` answers, and whether it had to rebuild its index. */
async function answers(folder: string): Promise<{ all: object; rebuilt: boolean }> {
  const ledger = await openLedger(folder)
  const marks = openMarks(ledger, 'name')
  const all = Object.fromEntries(await marks.all())
  for (const [key, value] of Object.entries(all)) assert.equal(await marks.get(key), value)
  await ledger.close()
  return { all, rebuilt: ledger.findings.length > 0 }
}

describe('the index over the journal', () => {
  const folder = tempFolder()
  const expected: Record<string, string> = {}
  /** A closed store with marks in tables, in the log, changed and removed; copied for each case. */
  const original = (): string => join(folder(), 'original')
  const copy = (): string => join(folder(), 'copy')
  const index = (): string => join(copy(), 'index')

  const write = async (from: number, to: number): Promise<void> => {
    const ledger = await openLedger(original())
    const marks = openMarks(ledger, 'name')
    for (let i = from; i < to; i++) {
      const [key, value] = [`name ${i % 40}`, `value ${i} ${'x'.repeat(100)}`]
      await marks.set(key, value)
      expected[key] = value
    }
    await marks.remove(`name ${from % 40}`)
    delete expected[`name ${from % 40}`]
    await ledger.close()
  }

  beforeEach(async () => {
    for (const key of Object.keys(expected)) delete expected[key]
    // Each opening turns the log of the one before into a table.
    await write(0, 60)
    await write(60, 100)
    await write(100, 130)
  })

  const fresh = (): void => {
    rmSync(copy(), { recursive: true, force: true })
    cpSync(original(), copy(), { recursive: true })
  }
  const files = (pattern: RegExp): string[] =>
    readdirSync(join(original(), 'index')).filter((name) => pattern.test(name))

  it('is used as it is when nothing is wrong', async () => {
    fresh()
    assert.deepEqual(await answers(copy()), { all: expected, rebuilt: false })
  })

  it('is rebuilt when all of it, or any of its files, is gone or empty', async () => {
    fresh()
    rmSync(index(), { recursive: true })
    assert.deepEqual(await answers(copy()), { all: expected, rebuilt: true })
    for (const file of files(/^(CURRENT|MANIFEST-.*|.*\.ldb|.*\.log)$/)) {
      for (const damage of [rmSync, truncateSync]) {
        fresh()
        damage(join(index(), file))
        assert.deepEqual((await answers(copy())).all, expected, `${damage.name} ${file}`)
      }
    }
  })

  for (const [kind, pattern] of [
    ['log', /\.log$/],
    ['table', /\.ldb$/],
    ['manifest', /^MANIFEST/],
    ['CURRENT', /^CURRENT$/],
  ] as const) {
    it(`gives no wrong answer after a flipped bit or a cut in a ${kind}`, async () => {
      const found = files(pattern)
      assert.ok(found.length > 0)
      for (const file of found) {
        const whole = readFileSync(join(original(), 'index', file))
        const positions = Math.min(whole.length, Math.ceil(8 / found.length))
        for (let i = 0; i < positions; i++) {
          const at = Math.floor(((i + 0.5) * whole.length) / positions)
          fresh()
          writeFileSync(join(index(), file), whole.with(at, whole[at]! ^ (1 << (i % 8))))
          assert.deepEqual((await answers(copy())).all, expected, `bit at ${at} of ${file}`)
          fresh()
          truncateSync(join(index(), file), at)
          assert.deepEqual((await answers(copy())).all, expected, `${file} cut at ${at}`)
        }
      }
    })
  }

  it('is not believed when a change is lost that leaves every value and their number as they were', async () => {
    fresh()
    const level = new Level(index())
    const before = await level.get('mark/name/name 5')
    await level.close()
    let ledger = await openLedger(copy())
    await openMarks(ledger, 'name').set('name 5', 'changed')
    await ledger.close()
    const again = new Level(index())
    await again.put('mark/name/name 5', before!)
    await again.close()
    ledger = await openLedger(copy())
    assert.deepEqual(ledger.findings, ['index rebuilt: a write was lost'])
    assert.equal(await openMarks(ledger, 'name').get('name 5'), 'changed')
    await ledger.close()
  })

  it('gets what it could not take before the next entries, now or at the next start', async () => {
    fresh()
    let ledger = await openLedger(copy())
    const marks = openMarks(ledger, 'name')
    await failingBatch(() => assert.rejects(marks.set('owed', '1'), { message: 'no room' }))
    assert.equal(await marks.get('owed'), undefined)
    await marks.set('next', '2')
    assert.equal(await marks.get('owed'), '1')
    await failingBatch(() => assert.rejects(marks.set('last', '3'), { message: 'no room' }))
    await ledger.close()
    ledger = await openLedger(copy())
    assert.deepEqual(ledger.findings, [])
    const all = Object.fromEntries(await openMarks(ledger, 'name').all())
    assert.deepEqual(all, { ...expected, owed: '1', next: '2', last: '3' })
    await ledger.close()
  })

  /** The next batch that any LevelDB writes while `work` runs fails. */
  async function failingBatch(work: () => Promise<void>): Promise<void> {
    const probe = new Level(join(folder(), 'probe'))
    await probe.open()
    let batch = Object.getPrototypeOf(probe.batch()) as { write: () => Promise<void> }
    while (!Object.hasOwn(batch, 'write')) batch = Object.getPrototypeOf(batch) as typeof batch
    await probe.close()
    const { write } = batch
    batch.write = async () => {
      batch.write = write
      throw new Error('no room')
    }
    try {
      await work()
    } finally {
      batch.write = write
    }
  }
})
