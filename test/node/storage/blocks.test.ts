import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openBlocks } from '../../../node/storage/blocks.ts'
import { type CID, cidOf, RAW } from '../../../src/index.ts'
import { skip } from '../../support/shared.ts'
import { failingOnce } from './failing-disk.ts'
import { tempFolder } from './temp-folder.ts'

interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
}

function block(number: number, length = 1000): Block {
  const bytes = new Uint8Array(length).fill(number)
  new DataView(bytes.buffer).setUint32(0, number)
  return { cid: cidOf(bytes, RAW), bytes }
}

describe('the block files', () => {
  const folder = tempFolder()
  const pathOf = ({ cid }: Block): string =>
    join(folder(), 'blocks', cid.toString().slice(-2), cid.toString())
  const names = (): string[] =>
    readdirSync(join(folder(), 'blocks'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name)

  it('give back what was put, also after reopening', async () => {
    const all = [block(1), block(2, 4), block(3, 1024 * 1024)]
    const blocks = await openBlocks(folder())
    for (const { cid, bytes } of all) await blocks.put(cid, bytes)
    await blocks.close()

    const again = await openBlocks(folder())
    for (const { cid, bytes } of all) {
      assert.equal(await again.has(cid), true)
      assert.deepEqual(new Uint8Array((await again.get(cid))!), bytes)
    }
    assert.equal(await again.has(block(4).cid), false)
    assert.equal(await again.get(block(4).cid), undefined)
    assert.deepEqual(await again.usage(), { blocks: 3, bytes: 1004 + 1024 * 1024 })
    assert.deepEqual(names().sort(), all.map(({ cid }) => cid.toString()).sort())
  })

  it('may be written over by the caller once they are put', async () => {
    const { cid, bytes } = block(1)
    const blocks = await openBlocks(folder())
    const buffer = bytes.slice()
    await blocks.put(cid, buffer)
    buffer.fill(0)
    assert.deepEqual(new Uint8Array((await blocks.get(cid))!), bytes)
    await blocks.close()
  })

  it('take the same block from many callers at once, and more than one group', async () => {
    const blocks = await openBlocks(folder())
    const all = Array.from({ length: 300 }, (_, i) => block(i % 270, 16))
    await Promise.all(all.map(({ cid, bytes }) => blocks.put(cid, bytes)))
    await Promise.all([blocks.flush(), blocks.flush()])
    assert.equal((await blocks.usage()).blocks, 270)
    for (const { cid, bytes } of all) {
      assert.deepEqual(new Uint8Array((await blocks.get(cid))!), bytes)
    }
    await blocks.close()
  })

  const damages: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
    'a flipped bit at the start': (bytes) => bytes.with(0, bytes[0]! ^ 1),
    'a flipped bit at the end': (bytes) => bytes.with(999, bytes[999]! ^ 128),
    'zeros of the same length': (bytes) => new Uint8Array(bytes.length),
    'nothing at all': () => new Uint8Array(0),
    'a missing end': (bytes) => bytes.subarray(0, -1),
    'a byte too many': (bytes) => Uint8Array.of(...bytes, 0),
    'more than any block holds': () => new Uint8Array(1024 * 1024 + 1),
    'another block': () => block(2).bytes,
  }
  for (const [name, damage] of Object.entries(damages)) {
    it(`that hold ${name} are absent, set aside and put again`, async () => {
      const it = block(1)
      const blocks = await openBlocks(folder())
      await blocks.put(it.cid, it.bytes)
      await blocks.flush()
      writeFileSync(pathOf(it), damage(it.bytes))

      // Readers that meet at the damage agree about it.
      const reads = await Promise.all([blocks.get(it.cid), blocks.get(it.cid)])
      assert.deepEqual(reads, [undefined, undefined])
      assert.equal(await blocks.has(it.cid), false)
      assert.deepEqual(blocks.quarantined, [it.cid.toString()])
      assert.deepEqual(readdirSync(join(folder(), 'quarantine')), [it.cid.toString()])

      await blocks.put(it.cid, it.bytes)
      assert.deepEqual(new Uint8Array((await blocks.get(it.cid))!), it.bytes)
      await blocks.close()
    })

    it(`that hold ${name} are replaced by a put that nobody read before`, async () => {
      const it = block(1)
      const blocks = await openBlocks(folder())
      await blocks.put(it.cid, it.bytes)
      writeFileSync(pathOf(it), damage(it.bytes))
      await blocks.put(it.cid, it.bytes)
      await blocks.close()
      assert.deepEqual(new Uint8Array(readFileSync(pathOf(it))), it.bytes)
    })
  }

  it('that lost their bytes in a power cut count as missing without being read', async () => {
    const it = block(1)
    const blocks = await openBlocks(folder())
    await blocks.put(it.cid, it.bytes)
    writeFileSync(pathOf(it), '')
    assert.equal(await blocks.has(it.cid), false)
    await blocks.close()
  })

  it('read or put at the same time as damage is found are never lost', async () => {
    const it = block(1)
    const blocks = await openBlocks(folder())
    for (let round = 0; round < 20; round++) {
      await blocks.put(it.cid, it.bytes)
      writeFileSync(pathOf(it), it.bytes.with(5, 77))
      await Promise.all([blocks.get(it.cid), blocks.put(it.cid, it.bytes), blocks.get(it.cid)])
      assert.deepEqual(new Uint8Array((await blocks.get(it.cid))!), it.bytes)
    }
    await blocks.close()
  })

  it('that a crash left half-written are swept when opened; foreign files stay', async () => {
    const it = block(1)
    mkdirSync(join(pathOf(it), '..'), { recursive: true })
    writeFileSync(join(pathOf(it), '..', `.${it.cid.toString()}.1.0.partial`), 'half')
    writeFileSync(join(folder(), 'blocks', 'README'), 'a stray file')
    const blocks = await openBlocks(folder())
    assert.deepEqual(names(), ['README'])
    assert.deepEqual(await blocks.usage(), { blocks: 0, bytes: 0 })
    await blocks.close()
  })

  it('can be read by their owner alone', async function () {
    if (process.platform === 'win32') skip(this, 'Windows has no such modes')
    const it = block(1)
    const blocks = await openBlocks(folder())
    await blocks.put(it.cid, it.bytes)
    await blocks.close()
    assert.equal(statSync(pathOf(it)).mode & 0o777, 0o600)
    assert.equal(statSync(join(folder(), 'blocks')).mode & 0o777, 0o700)
  })

  it('are not half there when a write fails, and the next write succeeds', async () => {
    const it = block(1)
    const blocks = await openBlocks(folder())
    for (const [code, id] of [
      ['ENOSPC', 'E_DISK_FULL'],
      ['EDQUOT', 'E_DISK_FULL'],
      ['EACCES', 'E_DISK_DENIED'],
      ['EROFS', 'E_DISK_DENIED'],
    ] as const) {
      await failingOnce('writeFile', code, () =>
        assert.rejects(blocks.put(it.cid, it.bytes), { name: 'EnvironmentError', id }),
      )
      assert.equal(await blocks.has(it.cid), false)
      assert.deepEqual(names(), [])
    }
    await blocks.put(it.cid, it.bytes)
    assert.deepEqual(new Uint8Array((await blocks.get(it.cid))!), it.bytes)
    await blocks.close()
  })

  it('whose fsync failed are absent, and nothing is acknowledged until reopened', async () => {
    const it = block(1)
    const blocks = await openBlocks(folder())
    await blocks.put(it.cid, it.bytes)
    await failingOnce('sync', 'EIO', () => assert.rejects(blocks.flush(), { id: 'E_DISK_FAILED' }))
    assert.equal(await blocks.has(it.cid), false)
    await assert.rejects(blocks.flush(), { id: 'E_DISK_FAILED' })
    await assert.rejects(blocks.put(it.cid, it.bytes), { id: 'E_DISK_FAILED' })

    const again = await openBlocks(folder())
    await again.put(it.cid, it.bytes)
    await again.close()
    assert.deepEqual(new Uint8Array((await again.get(it.cid))!), it.bytes)
  })

  it('survive a disk that is really full, and go on when there is room', async function () {
    if (process.getuid?.() !== 0) skip(this, 'mounting a small disk needs root')
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', folder()], { stdio: 'pipe' })
    } catch {
      skip(this, 'this machine does not let us mount a small disk')
    }
    try {
      const blocks = await openBlocks(folder())
      const [small, large] = [block(1, 300_000), block(2, 900_000)]
      await blocks.put(small.cid, small.bytes)
      await assert.rejects(blocks.put(large.cid, large.bytes), { id: 'E_DISK_FULL' })
      assert.deepEqual(names(), [small.cid.toString()])
      assert.deepEqual(new Uint8Array((await blocks.get(small.cid))!), small.bytes)
      execFileSync('mount', ['-o', 'remount,size=4m', folder()])
      await blocks.put(large.cid, large.bytes)
      await blocks.close()
      assert.deepEqual(new Uint8Array((await blocks.get(large.cid))!), large.bytes)
    } finally {
      execFileSync('umount', [folder()])
    }
  })
})
