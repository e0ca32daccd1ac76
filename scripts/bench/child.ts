import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Starts a script of this folder, `merge-process.ts` for instance, with arguments. */
export function start(script: string, args: readonly string[]): ChildProcess {
  return fork(fileURLToPath(new URL(script, import.meta.url)), args)
}

/** The one message that a process sends; rejects when it ends before. */
export async function answer<T>(child: ChildProcess): Promise<T> {
  const exit = once(child, 'exit').then(([code]) => {
    throw new Error(`the process ended with code ${String(code)} before it answered`)
  })
  const [value] = (await Promise.race([once(child, 'message'), exit])) as [T]
  exit.catch(() => {})
  return value
}

/** Runs the script to its end and gives what it sent. */
export async function measure<T>(script: string, args: readonly string[]): Promise<T> {
  const child = start(script, args)
  const ended = once(child, 'exit')
  const value = await answer<T>(child)
  await ended
  return value
}

/** Sends the answer of a process that was started here, or prints it in one that was not. */
export function reply(value: object): void {
  if (process.send === undefined) process.stdout.write(`${JSON.stringify(value)}\n`)
  else process.send(value, () => process.disconnect())
}
