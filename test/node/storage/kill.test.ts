import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { openStore } from '../../../node/storage/store.ts'
import { publicNetworkId, verifyBlock } from '../../../protocol/index.ts'
import { parseCid } from '../../../src/index.ts'
import { track } from '../../support/processes.ts'
import { tempFolder } from './temp-folder.ts'

const writer = fileURLToPath(new URL('writer.ts', import.meta.url))

/** What the writer acknowledges, `open` first. */
const kinds = ['open', 'record', 'mark', 'block'] as const

/** Runs the writer, kills it `afterMs` after it said all of `heard`, and gives what it acknowledged. */
async function killedWriter(
  folder: string,
  number: number,
  { heard = ['open'] as readonly string[], afterMs = 0, meanwhile = async () => {} },
): Promise<string[]> {
  const child: ChildProcess = track(
    spawn(process.execPath, [writer, folder, `${number}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  )
  const lines: string[] = []
  const output = createInterface({ input: child.stdout! })
  const unheard = new Set(heard)
  output.on('line', (line) => {
    lines.push(line)
    if (!unheard.delete(kindOf(line)) || unheard.size > 0) return
    void meanwhile().finally(() => setTimeout(() => child.kill('SIGKILL'), afterMs))
  })
  const [[, signal]] = await Promise.all([once(child, 'exit'), once(output, 'close')])
  assert.equal(signal, 'SIGKILL')
  return lines
}

function kindOf(line: string): string {
  return line.split(' ')[0]!
}

/** Everything that was ever acknowledged is there, and every file is whole. */
async function check(folder: string, acknowledged: readonly string[]): Promise<void> {
  const store = await openStore(folder, publicNetworkId)
  const marks = new Map<string, number>()
  for (const line of acknowledged) {
    const [what, name = '', value = ''] = line.split(' ')
    if (what === 'record') {
      assert.ok(store.records.has(parseCid(name)), line)
      assert.ok((await store.records.get(parseCid(name))) !== undefined, line)
    } else if (what === 'block') {
      assert.ok((await store.blocks.get(parseCid(name))) !== undefined, line)
    } else if (what === 'mark') marks.set(name, Number(value))
  }
  for (const [name, value] of marks) {
    // The one after it may have become durable before the kill, unheard.
    const kept = Number(await store.names.get(name))
    assert.ok(kept === value || kept === value + 50, `${name}: ${kept} after ${value}`)
  }
  for (const file of readdirSync(join(folder, 'store', 'blocks'), {
    recursive: true,
    withFileTypes: true,
  })) {
    if (!file.isFile()) continue
    const bytes = await store.blocks.get(parseCid(file.name))
    verifyBlock(parseCid(file.name), bytes!)
  }
  assert.deepEqual(store.blocks.quarantined, [])
  await store.close()
}

describe('a store whose process is killed', () => {
  const folder = tempFolder()

  const rounds = async (count: number, seed: number): Promise<void> => {
    process.stdout.write(`      seed ${seed}\n`)
    const acknowledged: string[] = []
    for (let round = 1; round <= count; round++) {
      // Mixed by a multiplication (Knuth's), so that a seed gives the same moments again.
      const afterMs = ((seed + round) * 2_654_435_761) % 400
      // Every other one may die before it has acknowledged anything.
      const heard = round % 2 === 1 ? kinds : kinds.slice(0, 1)
      acknowledged.push(...(await killedWriter(folder(), round, { heard, afterMs })))
      await check(folder(), acknowledged)
    }
    assert.deepEqual(new Set(acknowledged.map(kindOf)), new Set(kinds))
  }

  it('loses nothing that it acknowledged and shows nothing half-written', async function () {
    this.timeout(60_000)
    await rounds(1, Date.now() % 1_000_000)
  })

  it('was locked as long as the process lived', async function () {
    this.timeout(60_000)
    const refused: unknown[] = []
    const meanwhile = async (): Promise<void> => {
      await openStore(folder(), publicNetworkId).catch((error: unknown) => refused.push(error))
    }
    await killedWriter(folder(), 1, { meanwhile })
    assert.equal((refused[0] as { id?: string }).id, 'E_STORE_LOCKED')
    await (await openStore(folder(), publicNetworkId)).close()
  })

  it('ten times over still loses nothing #slow', async function () {
    this.timeout(180_000)
    await rounds(10, Date.now() % 1_000_000)
  })
})
