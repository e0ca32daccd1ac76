import assert from 'node:assert/strict'
import { writeBehind } from '../../src/checkpoints/write-behind.ts'

describe('writing behind', () => {
  it('writes in order what the caller has overwritten since', async () => {
    const written: number[] = []
    const behind = writeBehind(async (bytes) => {
      await new Promise(setImmediate)
      written.push(...bytes)
    })
    const buffer = new Uint8Array(3)
    for (const [i, length] of [1, 3, 2].entries()) {
      buffer.fill(i)
      await behind.put(buffer.subarray(0, length))
    }
    buffer.fill(9)
    await behind.end()
    assert.deepEqual(written, [0, 1, 1, 1, 2, 2])
  })

  it('lets the caller go on while one piece is written, and no more', async () => {
    const disk = Promise.withResolvers<void>()
    const behind = writeBehind(() => disk.promise)
    await behind.put(Uint8Array.of(1))
    let second = false
    const waiting = behind.put(Uint8Array.of(2)).then(() => (second = true))
    await new Promise(setImmediate)
    assert.equal(second, false)
    disk.resolve()
    await waiting
    await behind.end()
    assert.equal(second, true)
  })

  it('reports a failed write at the next call, and not before', async () => {
    const behind = writeBehind(() => Promise.reject(new Error('full')))
    await behind.put(Uint8Array.of(1))
    await new Promise(setImmediate)
    await assert.rejects(behind.put(Uint8Array.of(2)), /full/)
    await assert.rejects(behind.end(), /full/)
  })
})
