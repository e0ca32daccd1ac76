import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { isJobVerb, loadVerbs } from '../../../node/cli/verbs/index.ts'
import { readConfig } from '../../../node/config.ts'
import { type Daemon, startDaemon } from '../../../node/daemon.ts'
import { command, demoPath, openWorkplace, type Ran, twinOf, type Workplace } from './command.ts'

const base = demoPath('base')
const eleven = 'a,b,c,d,e,f,g,h,i,j,k'

/** A working day at the command line; `OUT` is a folder of the home's own. */
const steps: readonly (readonly string[])[] = [
  ['publish', demoPath('digits-light'), '--base', base, '-n', 'digits'],
  ['publish', demoPath('fashion-light'), '--base', base, '-n', 'fashion', '--codec', 'bitdelta'],
  [
    'publish',
    demoPath('kana-light'),
    '--base',
    base,
    '-n',
    'thin',
    '--license',
    'Apache-2.0',
  ].concat(['--edit', 'dare=p:0.9,seed:7', '--codec', 'sparse=mask:seeded,drop:0.9,seed:7']),
  ['publish', demoPath('latin-light'), '--base', base, '-n', 'tried', '--dry-run'].concat([
    '--codec',
    'bitdelta',
    '--edit',
    'scale=alpha:0.5',
  ]),
  ['ls'],
  ['ls', '--kind', 'delta'],
  ['inspect', 'digits', '--tensors'],
  ['inspect', 'thin'],
  ['inspect', 'thin', '--layers', '--spectrum'],
  ['edit', 'digits', 'scale=alpha:0.2', 'dare=p:0.5', '--seed', '3', '--dry-run'],
  ['edit', 'digits', 'scale=alpha:0.2', 'dare=p:0.5,seed:3', '-n', 'edited'],
  ['edit', 'digits', 'trim=density:0.1', '-n', 'trimmed', '--publish'],
  ['edit', 'edited', 'scale=alpha:0.1', '-n', 'whole', '--materialise', '--codec', 'bitdelta'],
  ['diff', 'digits', 'edited'],
  ['diff', 'fashion', demoPath('fashion-light'), '--tensors'],
  ['merge', 'digits', 'fashion', '--method', 'ties=density:0.2', '-n', 'mix', '--base', base],
  ['merge', 'digits', 'fashion', '--method', 'average'],
  ['inspect', 'mix'],
  ['data', 'add', demoPath('eval/digits.safetensors'), '-n', 'parts', '--split', eleven],
  ['data', 'ls'],
  ['fetch', 'digits', 'mix'],
  ['evaluate', 'digits', 'mix', '--data', 'parts.a', '--base', base],
  ['evaluate', 'digits', 'mix', '--data', 'parts.a'],
  ['leaderboard', '--data', 'parts.a', '--min-measurers', '1'],
  ['leaderboard', '--data', 'parts.a', '--min-measurers', '1', '--against', 'digits'],
  ['leaderboard', '--data', 'parts.a'],
  ['search', '--data', 'parts.a', '--proposals', '1'],
  ['export', 'mix', '--to', 'hf', '-o', 'OUT'],
]

describe('verbs with a daemon and without', () => {
  let place: Workplace
  let daemon: Daemon
  let homes: { alone: string; daemon: string }
  const ran = new Map<readonly string[], Ran>()

  before(async function () {
    this.timeout(60_000)
    place = await openWorkplace()
    homes = { alone: place.path('alone'), daemon: place.path('daemon') }
    await command(['init', '--home', homes.alone])
    // One key in two homes, so that what both publish has the same ids.
    await twinOf(homes.alone, homes.daemon)
    daemon = await startDaemon(
      readConfig({ home: homes.daemon, listen: ['/ip4/127.0.0.1/tcp/0'], peers: [] }),
    )
  })
  after(async () => {
    await daemon[Symbol.asyncDispose]()
    await place.remove()
  })

  const at = (step: readonly string[], home: string): string[] => [
    ...step.map((word) => (word === 'OUT' ? `${home}-out` : word)),
    '--home',
    home,
  ]

  for (const step of steps) {
    const title = step.map((word) => word.split('/').at(-1)).join(' ')
    it(`gives the same document: ${title}`, async () => {
      const alone = await command([...at(step, homes.alone), '--json'])
      const asked = await command([...at(step, homes.daemon), '--json'])
      ran.set(step, asked)
      for (const { code, stderr, stdout } of [alone, asked]) {
        assert.deepEqual([code, stderr], [0, ''])
        assert.equal(stdout.split('\n').length, 2, 'one line')
        assert.equal((JSON.parse(stdout) as { schema: string }).schema, `deltaswarm.${step[0]}/1`)
      }
      assert.deepEqual(
        comparable(alone.stdout, homes.alone),
        comparable(asked.stdout, homes.daemon),
      )
    })
  }

  it('has tried every verb that works without a daemon', async () => {
    const verbs = await loadVerbs()
    const tried = new Set(steps.map(([id]) => id))
    for (const verb of verbs.ids.map((id) => verbs.get(id)).filter(isJobVerb)) {
      assert.equal(tried.has(verb.id), verb.daemon !== true, verb.id)
    }
  })

  it('prints ids alone with -q, those of the document', async () => {
    const verbs = await loadVerbs()
    for (const step of steps) {
      const verb = verbs.get(step[0]!)
      if (!isJobVerb(verb) || ['publish', 'data', 'export', 'search'].includes(verb.id)) continue
      const { stdout, stderr, code } = await command([...at(step, homes.daemon), '-q'])
      assert.deepEqual([code, stderr], [0, ''])
      const expected = verb.ids!(ran.get(step)!.json())
      // A search has named more since; what was there still is.
      for (const id of expected) assert.ok(stdout.split('\n').includes(id), step.join(' '))
    }
  })

  it('ends human output with the id or the path', async () => {
    const merged = await command(at(['merge', 'digits', 'fashion', '-n', 'again'], homes.daemon))
    assert.match(merged.lines.at(-1)!, /^bafyrei[a-z2-7]{52}$/)
    const out = `${homes.daemon}-twice`
    const exported = await command(['export', 'again', '-o', out, '--home', homes.daemon])
    assert.equal(exported.lines.at(-1), out)
  })

  it('shows the daemon with status and peers, and needs it for them', async () => {
    const status = await command(['status', '--json', '--home', homes.daemon])
    const document = status.json() as {
      schema: string
      peer: string
      pid: number
      addresses: string[]
    }
    assert.equal(document.schema, 'deltaswarm.status/1')
    assert.deepEqual(
      [document.peer, document.pid, document.addresses],
      [daemon.peer, process.pid, daemon.addresses],
    )
    const peers = await command(['peers', '--json', '--home', homes.daemon])
    assert.deepEqual(peers.json(), { schema: 'deltaswarm.peers/1', peers: [] })
    assert.equal(
      (await command(['status', '-q', '--home', homes.daemon])).stdout,
      `${daemon.peer}\n`,
    )
    for (const verb of ['status', 'peers']) {
      const refused = await command([verb, '--json', '--home', homes.alone])
      assert.deepEqual([refused.code, refused.stdout], [9, ''])
      const { id, fix } = refused.error()
      assert.deepEqual([id, fix], ['E_DAEMON_NEEDED', [`deltaswarm up -d --home ${homes.alone}`]])
    }
  })

  it('gives the same error', async () => {
    await writeFile(place.path('notes.txt'), 'text')
    for (const [argv, id, code] of [
      [['inspect', 'nothing'], 'E_REF', 3],
      [['evaluate', 'digits', '--data', 'nothing'], 'E_UNKNOWN_SUITE', 3],
      [['evaluate', 'digits', '--data', 'mix'], 'E_NOT_A_SUITE', 2],
      [['edit', 'digits', 'scael=alpha:1'], 'E_UNKNOWN_OPERATOR', 2],
      [['edit', 'digits', 'scale=alfa:1'], 'E_UNKNOWN_PARAMETER', 2],
      [['edit', 'digits', 'dare=p:2'], 'E_PARAMETER_RANGE', 2],
      [['edit', 'digits', 'scale==1'], 'E_SPEC', 2],
      [['merge', 'digits', 'fashion', '--weights', 'x;1'], 'E_SPEC', 2],
      [['merge', 'digits', 'fashion', '--weights', '1'], 'E_PARAMETER_RANGE', 2],
      [['data', 'add', place.path('notes.txt'), '-n', 'x'], 'E_DATA_KIND', 2],
      [['data', 'add', place.path('notes.txt')], 'E_NAME_NEEDED', 2],
      [['data', 'add', place.path('none'), '-n', 'x'], 'E_FILE_MISSING', 3],
      [['data', 'add', demoPath('eval'), '-n', 'x', '--split', 'a,a'], 'E_INPUT', 2],
      [['data', 'sub'], 'E_INPUT', 2],
      [['ls', '--kind', 'model'], 'E_INPUT', 2],
    ] as const) {
      const alone = await command([...argv, '--json', '--home', homes.alone])
      const asked = await command([...argv, '--json', '--home', homes.daemon])
      assert.deepEqual([alone.code, alone.stdout, alone.error().id], [code, '', id], argv.join(' '))
      const { code: exit, stdout, stderr } = asked
      assert.deepEqual([exit, stdout, stderr], [alone.code, alone.stdout, alone.stderr])
      assert.ok(alone.error().fix.length > 0, `${id} has no fix`)
    }
  })

  it('says more in a terminal than its documents do, and nothing of it on stdout', async () => {
    const { stderr } = await command(at(['leaderboard', '--data', 'parts.a'], homes.daemon))
    const stored = await command(at(['leaderboard', '--data', 'parts.a'], homes.alone))
    assert.match(stored.stderr, /^the stored board: no node runs here/)
    assert.doesNotMatch(stderr, /stored board/)
    assert.match(stderr, /digits has no place yet: fewer than 2 measurers on \d+ shards/)
    const board = await command(
      [...at(['leaderboard', '--data', 'parts.a', '--min-measurers', '1'], homes.daemon)],
      { isTTY: true, columns: 200 },
    )
    assert.match(board.lines[0]!, /^RANK +VARIANT +LOSS +DIFFERENCE +95 % INTERVAL +CLASS/)
    // Operands stand in the order of their ids, which differ from key to key.
    const recipe = /\bmix\b.*ties\((digits, fashion|fashion, digits); density=0\.2\)/
    assert.ok(
      board.lines.some((line) => recipe.test(line)),
      board.stdout,
    )
  })
})

/**
 * Everything but who has it and how long it took: times are in the records, and so in the hash of the
 * view.
 */
function comparable(stdout: string, home: string): unknown {
  const text = stdout.replaceAll(home, 'HOME')
  const {
    viewRoot: _,
    served: __,
    live: ___,
    ...document
  } = JSON.parse(text) as Record<string, unknown>
  const { preview } = document as { preview?: Record<string, unknown> }
  if (preview === undefined) return document
  return { ...document, preview: { ...preview, memory: 'any', time: 'any' } }
}
