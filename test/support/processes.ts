import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** A process that tests started, how it was started, and a way to end it at once. */
interface Started {
  readonly argv: readonly string[]
  kill(): void
}

const started = new Set<Started>()

/**
 * Remembers a child until it ends. A test that times out does not get to end what it started, and a
 * living child would keep mocha from ending.
 */
export function track<C extends ChildProcess>(child: C): C {
  const entry = { argv: child.spawnargs, kill: () => void child.kill('SIGKILL') }
  started.add(entry)
  child.once('exit', () => started.delete(entry))
  return child
}

/** Remembers a process in the background by its home; another one may have its number by then. */
export function trackBackground(pid: number, home: string): void {
  const kill = (): void => {
    if (environmentOf(pid).some((variable) => variable.endsWith(`=${home}`))) {
      process.kill(pid, 'SIGKILL')
    }
  }
  started.add({ argv: [home], kill })
}

/** Ends what still runs of those that were started with a word that begins so. */
export function endProcesses(prefix = ''): void {
  for (const entry of started) {
    if (!entry.argv.some((word) => word.startsWith(prefix))) continue
    started.delete(entry)
    entry.kill()
  }
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch {
    return [] // it has ended
  }
}

after('end what tests have left running', () => endProcesses())
process.once('exit', () => endProcesses())
