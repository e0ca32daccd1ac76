import assert from 'node:assert/strict'
import { access, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readConfig, socketPath } from '../../../node/config.ts'
import { startDaemon } from '../../../node/daemon.ts'
import { createNode } from '../../../node/node.ts'
import { command, demoPath, firstLine, openWorkplace, start, type Workplace } from './command.ts'

const publishing = ['publish', demoPath('digits-light'), '--base', demoPath('base'), '-n', 'digits']

describe('a daemon and its home', () => {
  let place: Workplace
  let home: string

  beforeEach(async () => {
    place = await openWorkplace()
    home = place.path('home')
  })
  afterEach(() => place.remove())

  const leftOver = async (): Promise<string[]> =>
    (await readdir(home)).filter((name) => name.endsWith('.sock'))

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`leaves neither a socket nor a process after ${signal}${signal === 'SIGINT' ? ' #slow' : ''}`, async () => {
      const up = start(['up', '--home', home])
      assert.match(await firstLine(up), /^node 12D3KooW\w+ is up, pid \d+$/)
      assert.deepEqual(await leftOver(), ['api.sock'])
      up.kill(signal)
      const { code, stderr } = await up.ended
      assert.deepEqual([code, stderr], [0, ''])
      assert.deepEqual(await leftOver(), [])
      assert.equal((await command(['ls', '--home', home])).code, 0)
    })
  }

  it('goes on after a crash: the socket file that is left is no daemon #slow', async () => {
    const up = start(['up', '-q', '--home', home])
    const peer = await firstLine(up)
    assert.match(peer, /^12D3KooW/)
    assert.equal((await command([...publishing, '--home', home])).code, 0)
    up.kill('SIGKILL')
    await up.ended
    await access(socketPath({ home }))
    const listed = await command(['ls', '--json', '--home', home])
    assert.equal((listed.json() as { items: { name: string }[] }).items[0]!.name, 'digits')
    const again = await startDaemon(readConfig({ home, peers: [] }))
    assert.equal(again.peer, peer)
    assert.equal((await stat(socketPath({ home }))).mode & 0o777, 0o600)
    await again[Symbol.asyncDispose]()
    assert.deepEqual(await leftOver(), [])
  })

  it('goes into the background with -d, and ends with down', async () => {
    const up = await command(['up', '-d', '--json', '--home', home])
    assert.deepEqual([up.code, up.stderr], [0, ''])
    const { schema, pid, peer, addresses } = up.json() as {
      schema: string
      pid: number
      peer: string
      addresses: string[]
    }
    assert.equal(schema, 'deltaswarm.up/1')
    assert.ok(addresses.every((address) => address.startsWith('/ip4/127.0.0.1/tcp/')))
    const status = await command(['status', '--json', '--home', home])
    assert.deepEqual([status.json()['pid'], status.json()['peer']], [pid, peer])
    assert.equal((await stat(join(home, 'node.log'))).mode & 0o777, 0o600)
    assert.doesNotMatch(await readFile(join(home, 'node.log'), 'utf8'), /error/i)

    for (const flags of [[], ['-d']]) {
      const second = await command(['up', ...flags, '--json', '--home', home])
      assert.deepEqual([second.code, second.error().id], [1, 'E_DAEMON_RUNNING'])
      assert.equal(second.error().actual, `one answers on ${socketPath({ home })}`)
    }

    const down = await command(['down', '--json', '--home', home])
    assert.deepEqual([down.code, down.json()], [0, { schema: 'deltaswarm.down/1', running: true }])
    // Who is no longer answered may take the store at once.
    const node = await createNode(readConfig({ home }), { online: 'never' })
    await node.stop()
    const nobody = await command(['down', '--json', '--home', home])
    assert.deepEqual(nobody.json(), { schema: 'deltaswarm.down/1', running: false })
  })

  it('stops the job of a command that is interrupted', async () => {
    await using _ = await startDaemon(readConfig({ home, peers: [] }))
    const abort = new AbortController()
    abort.abort()
    const ran = await command([...publishing, '--json', '--home', home], { signal: abort.signal })
    assert.deepEqual([ran.code, ran.error().id], [130, 'E_INTERRUPTED'])
    const { items } = (await command(['ls', '--json', '--home', home])).json() as {
      items: unknown[]
    }
    assert.deepEqual(items, [])
  })

  it('waits for a command that has the store, and says so when it takes too long #slow', async () => {
    const other = await createNode(readConfig({ home }), { online: 'never' })
    const waiting = command(['ls', '--json', '--home', home])
    await sleep(200)
    await other.stop()
    assert.equal((await waiting).code, 0)

    const slow = await createNode(readConfig({ home }), { online: 'never' })
    const refused = await command(['ls', '--json', '--home', home])
    assert.deepEqual([refused.code, refused.stdout], [1, ''])
    const { id, expected, actual, fix } = refused.error()
    assert.equal(id, 'E_STORE_LOCKED')
    assert.ok(expected !== undefined && actual !== undefined && fix.length > 0)
    await slow.stop()
  })

  it('ends quietly when nobody reads its output', async () => {
    await command([...publishing, '--home', home])
    const child = start(['inspect', 'digits', '--tensors', '--home', home])
    child.stdout!.destroy()
    const { code, stderr } = await child.ended
    assert.deepEqual([code, stderr], [0, ''])
  })
})
