import { spawn } from 'node:child_process'
import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EnvironmentError } from '../../../src/index.ts'
import { childEnvironment, type Config, socketPath } from '../../config.ts'
import { type ErrorDocument, RemoteError } from '../../errors.ts'
import { callDaemon, isAnswering } from '../../http/client.ts'
import type { Output } from '../output.ts'
import { binFile, daemonFlags } from '../../program.ts'
import { deviceOption } from '../inputs.ts'
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
    deviceOption,
  ],
  examples: [
    'deltaswarm up -d',
    'deltaswarm up --listen /ip4/0.0.0.0/tcp/4100',
    'deltaswarm up -d --peer /ip4/192.0.2.7/tcp/4100/p2p/12D3KooW…',
  ],
  async here({ options }, context) {
    const socket = socketPath(context.config)
    if (await isAnswering(socket)) {
      throw new EnvironmentError('E_DAEMON_RUNNING', 'a node already runs in this home', {
        expected: 'no daemon',
        actual: `one answers on ${socket}`,
        fix: ['deltaswarm status', 'deltaswarm down'],
      })
    }
    return options['detach'] === true ? detach(context) : attached(context)
  },
}

interface Started {
  readonly peer: string
  readonly addresses: readonly string[]
  readonly pid: number
}

async function attached({ config, output, signal }: HereContext): Promise<number> {
  // Only here: it brings all of libp2p, and every command loads every verb.
  const { startDaemon } = await import('../../daemon.ts')
  await using daemon = await startDaemon(config)
  print({ peer: daemon.peer, addresses: daemon.addresses, pid: process.pid }, output)
  for (const finding of daemon.findings) output.note(`repaired: ${finding}`)
  await Promise.race([daemon.stopped, aborted(signal)])
  return 0
}

async function detach({ config, output, signal }: HereContext): Promise<number> {
  const socket = socketPath(config)
  await mkdir(config.home, { recursive: true, mode: 0o700 })
  const logPath = join(config.home, 'node.log')
  const log = await open(logPath, 'w', 0o600)
  const program = [...daemonFlags, binFile, 'up', '--json', ...flagsOf(config)]
  const child = spawn(process.execPath, program, {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: {
      ...childEnvironment(config.home, { threads: config.threads }),
      DELTASWARM_DEVICE: config.device,
    },
  })
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
  const deadline = Date.now() + START_MS
  let up = false
  while (!up && isRunning() && Date.now() < deadline && !signal.aborted) {
    await Promise.race([ended, sleep(POLL_MS)])
    up = await isAnswering(socket)
  }
  await log.close()
  if (!up || !isRunning()) {
    child.kill()
    await ended
    signal.throwIfAborted()
    throw startError(await readFile(logPath, 'utf8'), socket, logPath)
  }
  child.unref()
  const { peer, addresses } = (await callDaemon(socket, 'status', {})) as Started
  print({ peer, addresses, pid: child.pid! }, output)
  output.note(`log ${logPath}`)
  return 0
}

function print({ peer, addresses, pid }: Started, output: Output): void {
  if (output.mode === 'json') {
    output.line(JSON.stringify({ schema: 'deltaswarm.up/1', peer, addresses, pid }))
  } else if (output.mode === 'quiet') {
    output.line(peer)
  } else {
    output.line(`node ${peer} is up, pid ${pid}`)
    for (const address of addresses) output.line(`listens on ${address}`)
  }
}

function flagsOf({ listen, peers }: Config): readonly string[] {
  return [
    ...listen.flatMap((address) => ['--listen', address]),
    ...peers.flatMap((address) => ['--peer', address]),
  ]
}

/** What the child said last: its own error where it had one. */
function startError(log: string, socket: string, logPath: string): Error {
  const last = log.trim().split('\n').at(-1) ?? ''
  if (last.startsWith('{"error":')) {
    return new RemoteError((JSON.parse(last) as { error: ErrorDocument }).error)
  }
  return new EnvironmentError('E_DAEMON_START', 'the node did not start', {
    expected: `an answer on ${socket}`,
    actual: log.trim().slice(-800) || 'no output',
    fix: `read ${logPath}`,
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
