import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { EnvironmentError } from '../../src/index.ts'
import { childEnvironment, socketPath } from '../config.ts'
import { type ErrorDocument, RemoteError } from '../errors.ts'
import { callDaemon } from '../http/client.ts'
import type { JobOptions } from '../job-options.ts'
import { daemonFlags } from '../program.ts'

/** A node process of the demo, and how to ask it things. */
export interface Member {
  readonly name: string
  readonly home: string
  readonly peer: string
  readonly pid: number
  readonly addresses: readonly string[]
  /** Runs a verb in the node, as a command of its home would. */
  ask<Answer>(verb: string, input?: unknown): Promise<Answer>
}

export interface Swarm extends AsyncDisposable {
  /** The folder that holds the homes. */
  readonly folder: string
  readonly members: readonly Member[]
  /** Lets the processes run on after the swarm is disposed of; only a swarm made to be kept can. */
  release(): void
}

export interface SwarmInit extends Pick<JobOptions, 'signal'> {
  readonly names: readonly string[]
  /** Makes processes that can be released; until then they end with the swarm all the same. */
  readonly keep: boolean
}

/** How long an orderly end may take before a process is killed. */
const END_MS = 10_000

/** Starts a process per name on loopback, each connected to those before it. */
export async function startSwarm({ names, keep, signal }: SwarmInit): Promise<Swarm> {
  const folder = await mkdtemp(join(tmpdir(), 'deltaswarm-demo-'))
  const children: ChildProcess[] = []
  const members: Member[] = []
  let released = false
  const end = async (): Promise<void> => {
    if (released) {
      for (const child of children) {
        child.stdout?.destroy()
        child.unref()
      }
      return
    }
    await Promise.all(children.map(endProcess))
    await rm(folder, { recursive: true, force: true })
  }
  try {
    for (const name of names) {
      signal.throwIfAborted()
      const home = join(folder, name)
      await mkdir(home, { mode: 0o700 })
      const known = members.flatMap(({ addresses }) => addresses)
      const child = spawnNode(home, known, keep)
      children.push(child)
      const hello = await firstLine(child, name)
      const path = socketPath({ home })
      members.push({
        name,
        home,
        ...hello,
        ask: async <Answer>(verb: string, input: unknown = {}) =>
          (await callDaemon(path, verb, input, { signal })) as Answer,
      })
    }
  } catch (error) {
    await end()
    throw error
  }
  return {
    folder,
    members,
    release() {
      released = keep
    },
    [Symbol.asyncDispose]: end,
  }
}

function spawnNode(home: string, peers: readonly string[], keep: boolean): ChildProcess {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const script = fileURLToPath(new URL(`child.${extension}`, import.meta.url))
  return spawn(process.execPath, [...daemonFlags, script, home, ...(keep ? ['--keep'] : [])], {
    stdio: [keep ? 'ignore' : 'pipe', 'pipe', 'ignore'],
    detached: keep,
    // Its nodes stand for machines of their own, and share the cores of one.
    env: childEnvironment(home, { peers, threads: 1 }),
  })
}

interface Hello {
  readonly peer: string
  readonly addresses: readonly string[]
  readonly pid: number
}

async function firstLine(child: ChildProcess, name: string): Promise<Hello> {
  const lines = createInterface({ input: child.stdout! })
  const [text] = (await Promise.race([
    once(lines, 'line'),
    once(child, 'exit').then(() => []),
  ])) as [string?]
  const said = text === undefined ? {} : (JSON.parse(text) as Partial<Hello> & { error?: unknown })
  if (said.error !== undefined) throw new RemoteError(said.error as ErrorDocument)
  if (said.peer !== undefined) return said as Hello
  throw new EnvironmentError('E_DEMO_NODE', `the node of ${name} did not start`, {
    expected: 'a node process',
    actual: `exit code ${child.exitCode ?? 'none'}`,
    fix: 'run the demo again',
  })
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  // A process that is made to be kept has no standard input to close.
  if (child.stdin === null) child.kill('SIGTERM')
  else child.stdin.end()
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MS)
  await ended
  clearTimeout(timer)
}
