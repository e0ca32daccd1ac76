import { setImmediate } from 'node:timers/promises'

/**
 * Lets what else the process has to do run, in the midst of long work; throws when the signal
 * fires.
 */
export async function giveWay(signal?: AbortSignal): Promise<void> {
  await setImmediate()
  signal?.throwIfAborted()
}
