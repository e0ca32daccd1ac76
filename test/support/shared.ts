import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * Tests carry the data they need in `test/data`. Larger models and oracles may stand beside the
 * repository in `../shared`; a test that needs those skips itself with a stated reason without them.
 */
const shared = fileURLToPath(new URL('../../../shared/', import.meta.url))

/** The path of a file or folder under `../shared`, or `undefined` where it does not exist. */
export function sharedPath(path: string): string | undefined {
  const full = shared + path
  return existsSync(full) ? full : undefined
}

/** The path of a file or folder under `test/data`. */
export function dataPath(path: string): string {
  return fileURLToPath(new URL(`../data/${path}`, import.meta.url))
}

/** The path of a file or folder of the demo's trained models. */
export function demoPath(path: string): string {
  return fileURLToPath(new URL(`../../node/demo/data/${path}`, import.meta.url))
}

/** Ends the running test as skipped and says why: the one place where a test may skip itself. */
export function skip(test: { skip(): never }, reason: string): never {
  process.stdout.write(`      skipped: ${reason}\n`)
  return test.skip()
}
