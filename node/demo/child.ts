import { rm, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readConfig } from '../config.ts'
import { startDaemon } from '../daemon.ts'
import { describeError } from '../errors.ts'

/**
 * One node of the demo, as a process. It says where it listens on its first line and lives as long
 * as its standard input: when the parent ends in whatever way, it stops and removes its home, and
 * the folder above when it was the last. With `--keep` it stays until somebody stops it.
 *
 *     node child.ts HOME [--keep]
 */
const [, , home] = process.argv
// What is removed at the end is never the home that a user has by default.
if (home === undefined) throw new Error('expected the folder of the node')
const keep = process.argv.includes('--keep')
const config = readConfig({ home })
const parentGone = new Promise<void>((resolve) => {
  if (keep) return
  process.stdin.on('end', resolve)
  process.stdin.on('close', resolve)
  process.stdin.resume()
})
// An interrupt of the terminal reaches the whole group; the parent decides when its nodes end.
if (!keep) process.on('SIGINT', () => {})
const terminated = new Promise<void>((resolve) => void process.once('SIGTERM', () => resolve()))

try {
  await using daemon = await startDaemon(config)
  const { peer, addresses } = daemon
  process.stdout.write(`${JSON.stringify({ peer, addresses, pid: process.pid })}\n`)
  await Promise.race([parentGone, terminated, daemon.stopped])
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: describeError(error) })}\n`)
  process.exitCode = 1
} finally {
  if (!keep) {
    await rm(config.home, { recursive: true, force: true })
    await rmdir(dirname(config.home)).catch(() => {})
  }
  process.stdin.destroy()
}
