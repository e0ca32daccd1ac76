import fs, { open } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { devNull } from 'node:os'

type Method = (this: unknown, ...given: unknown[]) => unknown

/** While `work` runs, the next call of a method of any open file writes a few bytes, then fails. */
export async function failingOnce(
  method: 'sync' | 'appendFile' | 'writeFile',
  code: string,
  work: () => Promise<void>,
): Promise<void> {
  const probe = await open(devNull, 'r')
  const methods = Object.getPrototypeOf(probe) as Record<string, Method>
  await probe.close()
  const original = methods[method]!
  methods[method] = async function (bytes): Promise<never> {
    methods[method] = original
    if (bytes instanceof Uint8Array) await original.call(this, bytes.subarray(0, 7))
    throw Object.assign(new Error(code), { code })
  }
  try {
    await work()
  } finally {
    methods[method] = original
  }
}

const calls = ['open', 'mkdir', 'rename', 'readdir', 'stat']
const methods = ['read', 'readFile', 'writeFile', 'appendFile', 'sync', 'truncate', 'stat', 'close']

/** Lets the nth call into the file system fail while `work` runs; resolves to the call, if it came. */
export async function failingNth(
  n: number,
  code: string,
  work: () => Promise<void>,
): Promise<string | undefined> {
  const probe = await open(devNull, 'r')
  const handle = Object.getPrototypeOf(probe) as Record<string, Method>
  await probe.close()
  const restore: (() => void)[] = []
  let count = 0
  let failed: string | undefined
  const patch = (target: Record<string, Method>, name: string): void => {
    const original = target[name]!
    restore.push(() => void (target[name] = original))
    target[name] = async function (...given): Promise<unknown> {
      if (++count !== n) return original.apply(this, given)
      failed = name
      const [bytes] = given
      if (name === 'close') await original.apply(this, given)
      if (bytes instanceof Uint8Array && name !== 'read')
        await original.call(this, bytes.subarray(0, 7))
      throw Object.assign(new Error(code), { code })
    }
  }
  for (const name of calls) patch(fs as unknown as Record<string, Method>, name)
  for (const name of methods) patch(handle, name)
  syncBuiltinESMExports()
  try {
    await work()
  } finally {
    for (const undo of restore) undo()
    syncBuiltinESMExports()
  }
  return failed
}
