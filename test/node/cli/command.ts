import { type ChildProcess, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCommand } from '../../../node/cli/main.ts'
import type { ErrorDocument } from '../../../node/errors.ts'
import { endProcesses, track, trackBackground } from '../../support/processes.ts'

/** What a command line said and how it ended. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** The lines of stdout. */
  readonly lines: readonly string[]
  /** Stdout as one JSON document. */
  json(): Record<string, unknown>
  /** The error document that `--json` puts on stderr. */
  error(): ErrorDocument
}

export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly signal?: AbortSignal
}

/** Runs a command line in this process. */
export async function command(argv: readonly string[], terminal: Terminal = {}): Promise<Ran> {
  const { signal, ...shape } = terminal
  const said = { stdout: '', stderr: '' }
  const streams = {
    stdout: { ...shape, write: (text: string) => void (said.stdout += text) },
    stderr: { ...shape, write: (text: string) => void (said.stderr += text) },
  }
  const code = await runCommand(argv, streams, signal === undefined ? {} : { signal })
  const pid = argv[0] === 'up' ? /\bpid\W+(\d+)/.exec(said.stdout)?.[1] : undefined
  if (pid !== undefined) trackBackground(Number(pid), argv[argv.indexOf('--home') + 1]!)
  return ranOf(code, said.stdout, said.stderr)
}

const bin = fileURLToPath(new URL('../../../node/cli/bin.js', import.meta.url))

/** Starts a command line as a process of its own. */
export function start(
  argv: readonly string[],
  init: { env?: NodeJS.ProcessEnv; uid?: number; gid?: number; cwd?: string } = {},
): ChildProcess & { readonly ended: Promise<Ran> } {
  const { env, ...rest } = init
  const child = track(
    spawn(process.execPath, [bin, ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...rest,
    }),
  )
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => void (said.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => void (said.stderr += chunk.toString()))
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(ranOf(code ?? -1, said.stdout, said.stderr)))
  })
  return Object.assign(child, { ended })
}

/** Resolves when a process has printed its first line. */
export function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')))
    })
    child.once('close', () => reject(new Error('it ended without a line')))
  })
}

/** A folder of models and homes for one describe block; `remove` ends what still runs in it. */
export interface Workplace {
  readonly folder: string
  path(name: string): string
  remove(): Promise<void>
}

export async function openWorkplace(): Promise<Workplace> {
  const folder = await mkdtemp(join(tmpdir(), 'deltaswarm-test-'))
  return {
    folder,
    path: (name) => join(folder, name),
    async remove() {
      endProcesses(folder)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A folder or file of the models that the demo brings. */
export function demoPath(name: string): string {
  return fileURLToPath(new URL(`../../../node/demo/data/${name}`, import.meta.url))
}

/** Two homes with one key, so that what they publish has the same ids. */
export async function twinOf(home: string, twin: string): Promise<void> {
  await mkdir(twin, { recursive: true, mode: 0o700 })
  await cp(join(home, 'keys'), join(twin, 'keys'), { recursive: true })
}

function ranOf(code: number, stdout: string, stderr: string): Ran {
  return {
    code,
    stdout,
    stderr,
    lines: stdout.split('\n').filter((line) => line !== ''),
    json() {
      if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`)
      return JSON.parse(stdout) as Record<string, unknown>
    },
    error: () => (JSON.parse(stderr) as { error: ErrorDocument }).error,
  }
}
