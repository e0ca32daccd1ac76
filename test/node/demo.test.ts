import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { DemoDocument } from '../../node/demo/report.ts'
import { track } from '../support/processes.ts'

const bin = fileURLToPath(new URL('../../node/cli/bin.js', import.meta.url))

const documentKeys = ['schema', 'nodes', 'variants', 'champion', 'rounds', 'timings']
const nodeKeys = ['peer', 'pid', 'home', 'records', 'bytesIn', 'bytesOut', 'viewRoot']
const variantKeys = [
  'id',
  'recipe',
  'reference',
  'ownBytes',
  'closureBytes',
  'bpw',
  'suite',
  'n',
  'difference',
  'ci',
  'class',
  'measurers',
]

/** Peer processes that outlive the demo are found by the folder that their home lies in. */
describe('deltaswarm demo #slow', function () {
  this.timeout(180_000)
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dswarm-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  function startDemo(...args: string[]): ChildProcess {
    return track(
      spawn(process.execPath, [bin, 'demo', ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, TMPDIR: folder },
      }),
    )
  }

  it('prints one document in which three nodes agree, and leaves nothing behind', async () => {
    const demo = startDemo('--json')
    const [out, err] = await Promise.all([text(demo.stdout!), text(demo.stderr!)])
    assert.equal(err, '')
    const document = JSON.parse(out) as DemoDocument
    assert.deepEqual(Object.keys(document), documentKeys)
    assert.deepEqual(Object.keys(document.nodes[0]!), nodeKeys)
    for (const variant of document.variants) assert.deepEqual(Object.keys(variant), variantKeys)
    assert.equal(document.schema, 'deltaswarm.demo/1')

    const { nodes, variants, rounds, champion } = document
    assert.equal(new Set(nodes.map(({ peer }) => peer)).size, 3)
    assert.equal(new Set(nodes.map(({ pid }) => pid)).size, 3)
    assert.equal(new Set(nodes.map(({ viewRoot }) => viewRoot)).size, 1)
    assert.equal(new Set(nodes.map(({ records }) => records)).size, 1)
    const carol = nodes[2]!
    assert.ok(carol.bytesIn > 3e6, `carol received ${carol.bytesIn} bytes`)

    // Base, four experts, three merges, seven edits; the champion and what it is judged against, if
    // they are none of these.
    assert.ok(variants.length >= 15 && variants.length <= 17, `${variants.length} variants`)
    assert.ok(variants.some(({ id }) => id === champion))
    for (const { recipe, n, measurers } of variants) {
      assert.equal(n, 1200, recipe)
      // 38 shards, each by exactly two of the three.
      assert.equal(
        measurers.reduce((sum, measurer) => sum + measurer.n, 0),
        2 * 38,
        recipe,
      )
      assert.ok(measurers.every(({ peer }) => nodes.some((node) => node.peer === peer)))
    }
    assert.equal(variants.filter(({ reference }) => reference === null).length, 1, 'only the base')
    for (const { recipe, difference, ci, class: verdict } of variants) {
      if (difference === null || ci === null) continue
      assert.ok(ci[0] <= difference && difference <= ci[1], recipe)
      if (verdict === 'improved') assert.ok(ci[1] < 0, recipe)
      if (verdict === 'decreased') assert.ok(ci[0] > 0, recipe)
    }

    assert.deepEqual(
      rounds.map(({ round }) => round),
      [1, 2, 3],
    )
    assert.ok(rounds.every(({ proposals }) => proposals.length > 0))
    assert.equal(rounds.at(-1)!.champion, champion)
    assert.equal(
      new Set(rounds.flatMap(({ proposals }) => proposals)).size,
      rounds.flatMap(({ proposals }) => proposals).length,
      'nothing is proposed twice',
    )

    for (const { pid } of nodes) assert.equal(await isGone(pid), true)
    assert.deepEqual(await readdir(folder), [])
  })

  for (const [signal, args] of [
    ['SIGINT', []],
    ['SIGKILL', []],
    ['SIGINT', ['--keep']],
  ] as const) {
    it(`leaves no process and no folder behind after ${signal} ${args.join(' ')}`, async () => {
      const demo = startDemo(...args)
      let said = ''
      demo.stderr!.on('data', (part: Buffer) => (said += part.toString()))
      for (let waited = 0; !said.includes('fetched them by CID'); waited += 50) {
        assert.ok(waited < 60_000 && demo.exitCode === null, `the demo said only: ${said}`)
        await sleep(50)
      }
      const pids = await childrenOf(demo.pid!)
      assert.equal(pids.length, 3)
      demo.kill(signal)
      await once(demo, 'exit')
      for (const pid of pids) assert.equal(await isGone(pid), true, `process ${pid} lives`)
      for (let waited = 0; (await readdir(folder)).length > 0 && waited < 5000; waited += 50) {
        await sleep(50)
      }
      assert.deepEqual(await readdir(folder), [])
    })
  }
})

async function childrenOf(pid: number): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readProc(`/proc/${name}/stat`)
    if (stat.slice(stat.lastIndexOf(')')).split(' ')[2] === String(pid)) found.push(Number(name))
  }
  return found
}

async function readProc(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

/** Whether a process ends within a few seconds. */
async function isGone(pid: number): Promise<boolean> {
  for (let waited = 0; waited < 15_000; waited += 50) {
    const stat = await readProc(`/proc/${pid}/stat`)
    // A zombie has ended; only its parent has not looked yet.
    if (stat === '' || stat.slice(stat.lastIndexOf(')')).split(' ')[1] === 'Z') return true
    await sleep(50)
  }
  return false
}
