import { spawn } from 'node:child_process'
import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EnvironmentError } from '../../../src/index.ts'
import { childEnvironment, socketPath } from '../../config.ts'
import { startDaemon } from '../../daemon.ts'
import { callDaemon, isAnswering } from '../../http/client.ts'
import type { HereContext, HereVerb } from './index.ts'

/** How long a detached daemon may take to answer, and how often it is asked. */
const START_MS = 20_000
const POLL_MS = 50

export const verb: HereVerb = {
  id: 'up',
  group: 'start',
  summary: 'run the node: serve what it published, fetch, measure, and keep in step with peers',
  options: [
    { flags: '-d, --detach', about: 'run in the background' },
    {
      flags: '--listen <addr>',
      about: 'multiaddr to listen on, repeatable (default: loopback, a free port)',
      repeat: true,
    },
    {
      flags: '--peer <addr>',
      about: 'multiaddr of a peer to stay connected to, repeatable',
      repeat: true,
    },
  ],
  examples: [
    'deltaswarm up -d',
    'deltaswarm up --listen /ip4/0.0.0.0/tcp/4100',
    'deltaswarm up -d --peer /ip4/192.0.2.7/tcp/4100/p2p/12D3KooW…',
  ],
  async here({ options }, context) {
    return options['detach'] === true ? detach(context) : attached(context)
  },
}

async function attached({ config, output, signal }: HereContext): Promise<number> {
  await using daemon = await startDaemon(config)
  const { peer, addresses } = daemon
  if (output.mode === 'json') {
    output.line(JSON.stringify({ schema: 'deltaswarm.up/1', peer, addresses, pid: process.pid }))
  } else if (output.mode === 'quiet') {
    output.line(peer)
  } else {
    output.line(`node ${peer} is up, pid ${process.pid}`)
    for (const address of addresses) output.line(`listens on ${address}`)
    for (const finding of daemon.findings) output.note(`repaired: ${finding}`)
  }
  await Promise.race([daemon.stopped, aborted(signal)])
  return 0
}

async function detach({ config, output }: HereContext): Promise<number> {
  const socket = socketPath(config)
  if (await isAnswering(socket)) {
    throw new EnvironmentError('E_DAEMON_RUNNING', 'a node already runs in this home', {
      expected: 'no daemon',
      actual: socket,
      fix: 'deltaswarm status, or deltaswarm down',
    })
  }
  await mkdir(config.home, { recursive: true, mode: 0o700 })
  const logPath = join(config.home, 'node.log')
  const log = await open(logPath, 'w', 0o600)
  const child = spawn(
    process.execPath,
    [
      fileURLToPath(new URL('../bin.js', import.meta.url)),
      'up',
      ...config.listen.flatMap((address) => ['--listen', address]),
      ...config.peers.flatMap((address) => ['--peer', address]),
    ],
    { detached: true, stdio: ['ignore', log.fd, log.fd], env: childEnvironment(config.home) },
  )
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()))
  for (let waited = 0; child.exitCode === null && waited < START_MS; waited += POLL_MS) {
    if (await isAnswering(socket)) break
    await Promise.race([ended, new Promise((resolve) => void setTimeout(resolve, POLL_MS))])
  }
  await log.close()
  if (!(await isAnswering(socket))) {
    child.kill()
    throw new EnvironmentError('E_DAEMON_START', 'the node did not start', {
      expected: `an answer on ${socket}`,
      actual: (await readFile(logPath, 'utf8')).trim().slice(-800) || 'no output',
      fix: `read ${logPath}`,
    })
  }
  child.unref()
  const status = (await callDaemon(socket, 'status', {})) as { peer: string; addresses: string[] }
  if (output.mode === 'json') {
    output.line(JSON.stringify({ schema: 'deltaswarm.up/1', ...status, pid: child.pid }))
  } else if (output.mode === 'quiet') {
    output.line(status.peer)
  } else {
    output.line(`node ${status.peer} is up, pid ${child.pid}, log ${logPath}`)
    for (const address of status.addresses) output.line(`listens on ${address}`)
  }
  return 0
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
