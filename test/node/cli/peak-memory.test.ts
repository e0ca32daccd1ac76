import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { writeSafetensors } from '../../../src/checkpoints/files.ts'
import { createRandom } from '../../../src/random.ts'
import { skip } from '../../support/shared.ts'
import { track } from '../../support/processes.ts'
import { openWorkplace, type Workplace } from './command.ts'

const bin = fileURLToPath(new URL('../../../node/cli/bin.js', import.meta.url))
const MIB = 2 ** 20
const ROWS = 4096

/** How often the peak is read: it only ever rises, so that little of its last part is missed. */
const POLL_MS = 10

describe('the memory of a command #slow', function () {
  this.timeout(180_000)
  let place: Workplace

  before(async function () {
    if (process.platform !== 'linux') skip(this, 'peaks are read from /proc')
    place = await openWorkplace()
    for (const size of [16, 64]) {
      for (const model of ['base', 'post']) await writeModel(`${model}-${size}`, size * MIB)
    }
  })
  after(() => place?.remove())

  it('does not grow with the tensors that it publishes', async () => {
    for (const codec of ['integer', 'sparse=values:BF16']) {
      const [small, large] = [await publish(16, codec), await publish(64, codec)]
      assert.ok(large.peak < 240 * MIB, `${codec}: ${large.peak / MIB} MiB`)
      assert.ok(
        large.peak - small.peak < 48 * MIB,
        `${codec}: ${small.peak / MIB} to ${large.peak / MIB}`,
      )
    }
  })

  it('is at most what the dry run of an edit states', async () => {
    await publish(16, 'raw')
    const { peak, stdout } = await measure('edit', 'm16', 'della=over:tensor', '--dry-run')
    const { preview } = JSON.parse(stdout) as { preview: { memory: Record<string, number> } }
    const stated = preview.memory['plan']! + preview.memory['process']!
    const stored = await measure('edit', 'm16', 'della=over:tensor', '-n', 'e', '--materialise')
    for (const real of [peak, stored.peak]) {
      assert.ok(real <= stated, `${real / MIB} of ${stated / MIB} MiB`)
      assert.ok(stated < 2 * real, `${stated / MIB} for ${real / MIB} MiB`)
    }
  })

  const publish = (size: number, codec: string) =>
    measure(
      'publish',
      place.path(`post-${size}`),
      '--base',
      place.path(`base-${size}`),
      '-n',
      `m${size}`,
      '--codec',
      codec,
    )

  /** Runs a command as users do, and reads its peak. */
  async function measure(...argv: readonly string[]) {
    const home = ['--home', place.path('home'), '--json']
    // Under the runtime of this test, with the flags that the first line of the file has.
    const flags = /^#!.* node (.*)$/m.exec(await readFile(bin, 'utf8'))![1]!.split(' ')
    const child = track(spawn(process.execPath, [...flags, bin, ...argv, ...home]))
    const said = Promise.all([text(child.stdout), text(child.stderr)])
    let peak = 0
    while (child.exitCode === null && child.signalCode === null) {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
      peak = Math.max(peak, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024)
      await sleep(POLL_MS)
    }
    const [stdout, stderr] = await said
    assert.equal(child.exitCode, 0, stderr)
    return { peak, stdout }
  }

  /** BF16 of one matrix; a fine-tune moves weights by about a hundredth of them. */
  async function writeModel(name: string, elements: number): Promise<void> {
    await mkdir(place.path(name))
    const chunk = new Uint16Array(MIB)
    const random = createRandom('peak memory')
    const drift = createRandom('drift')
    for (let i = 0; i < chunk.length; i++) {
      const weight = 0x3d00 + (random.word() % 0x100) + (random.word() % 2) * 0x8000
      chunk[i] = name.startsWith('post') ? weight + (drift.word() % 3) : weight
    }
    const spec = { name: 'layers.0.weight', dtype: 'BF16', shape: [ROWS, elements / ROWS] } as const
    await writeSafetensors(place.path(`${name}/model.safetensors`), [spec], async function* () {
      for (let at = 0; at < elements; at += chunk.length) yield new Uint8Array(chunk.buffer)
    })
  }
})
