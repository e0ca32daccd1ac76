import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { openFolder } from '../../../src/checkpoints/folder.ts'
import { weightsId } from '../../../src/checkpoints/weights-id.ts'
import { writeFolder } from '../../../src/checkpoints/write-folder.ts'
import type { TensorSpec } from '../../../src/tensors/tensor.ts'
import { skip } from '../../support/shared.ts'
import { command, openWorkplace, start, type Workplace } from './command.ts'

/** 64 matrices of 1 MiB: long enough to be stopped in the middle. */
const specs: readonly TensorSpec[] = Array.from({ length: 64 }, (_, i) => ({
  name: `layers.${String(i).padStart(2, '0')}.weight`,
  dtype: 'F32',
  shape: [512, 512],
}))

describe('a publish that is stopped #slow', function () {
  this.timeout(120_000)
  let place: Workplace
  let publishing: readonly string[]

  before(async () => {
    place = await openWorkplace()
    for (const [name, step] of [
      ['base', 0],
      ['fine', 1e-3],
    ] as const) {
      await writeFolder(place.path(name), {
        tensors: specs,
        chunks: (tensor) =>
          values(
            specs.findIndex((spec) => spec.name === tensor),
            step,
          ),
      })
    }
    publishing = ['publish', place.path('fine'), '--base', place.path('base'), '-n', 'big']
  })
  after(() => place.remove())

  for (const [signal, code] of [
    ['SIGKILL', -1],
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`by ${signal} leaves nothing to be seen, and succeeds the next time`, async () => {
      const home = place.path(`home-${signal}`)
      const child = start([...publishing, '--json', '--home', home])
      while ((await filesIn(home)) < 12 && child.exitCode === null) await sleep(2)
      assert.equal(child.exitCode, null, 'it was over before it could be stopped')
      child.kill(signal)
      const ran = await child.ended
      assert.deepEqual([ran.code, ran.stdout], [code, ''])
      if (signal !== 'SIGKILL') assert.equal(ran.error().id, 'E_INTERRUPTED')

      const listed = await command(['ls', '--json', '--home', home])
      assert.deepEqual([listed.code, listed.json()['items']], [0, []])
      const missing = await command(['inspect', 'big', '--json', '--home', home])
      assert.deepEqual([missing.code, missing.error().id], [3, 'E_REF'])

      const again = await command([...publishing, '--home', home])
      assert.equal(again.code, 0, again.stderr)
      const out = place.path(`out-${signal}`)
      const exported = await command(['export', 'big', '-o', out, '--home', home])
      assert.equal(exported.code, 0, exported.stderr)
      assert.equal(await idOf(out), await idOf(place.path('fine')))
    })
  }

  it('by a full disk says so, keeps nothing, and leaves a store that opens', async function () {
    const disk = place.path('disk')
    await mkdir(disk)
    if (process.getuid?.() !== 0) return skip(this, 'only root can mount a small disk')
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk], { stdio: 'pipe' })
    } catch (error) {
      return skip(this, `no tmpfs here: ${(error as Error).message}`)
    }
    try {
      const home = `${disk}/home`
      assert.equal((await command(['ls', '--home', home])).code, 0)
      const ran = await command([...publishing, '--json', '--home', home])
      const { id, fix } = ran.error()
      assert.deepEqual([ran.code, ran.stdout, id], [1, '', 'E_DISK_FULL'])
      assert.ok(fix.length > 0)
      execFileSync('mount', ['-o', 'remount,size=200m', disk])
      const listed = await command(['ls', '--json', '--home', home])
      assert.deepEqual([listed.code, listed.json()['items']], [0, []])
      const again = await command([...publishing, '--home', home])
      assert.equal(again.code, 0, again.stderr)
    } finally {
      execFileSync('umount', [disk])
    }
  })
})

/** Values that compress badly and differ a little between base and fine-tune. */
async function* values(tensor: number, step: number): AsyncGenerator<Uint8Array> {
  const floats = new Float32Array(512 * 512)
  for (let i = 0, state = tensor + 1; i < floats.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    floats[i] = state / 2 ** 32 - 0.5 + step * ((state & 7) - 3.5)
  }
  yield new Uint8Array(floats.buffer)
}

async function filesIn(home: string): Promise<number> {
  const found = await readdir(`${home}/store/blocks`, { recursive: true }).catch(() => [])
  return found.length
}

async function idOf(path: string): Promise<string> {
  const folder = await openFolder(path)
  const { id } = await weightsId(folder.checkpoint)
  await folder.close()
  return id.toString()
}
