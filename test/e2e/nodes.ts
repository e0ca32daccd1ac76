import { setTimeout } from 'node:timers/promises'
import { readConfig } from '../../node/config.ts'
import type { JobOptions } from '../../node/job-options.ts'
import { createNode, type NodeInit, type SwarmNode } from '../../node/node.ts'

/** For jobs that a test neither watches nor stops. */
export const quiet: JobOptions = { signal: new AbortController().signal, onProgress: () => {} }

/** Opens the node of a home folder; it stays connected to `peers`. */
export function openNode(
  home: string,
  online: NodeInit['online'],
  peers: readonly SwarmNode[] = [],
): Promise<SwarmNode> {
  const addresses = peers.flatMap(({ network }) => network?.addresses() ?? [])
  return createNode(readConfig({ home, peers: addresses }, {}), { online })
}

/** Waits, for at most ten seconds, until `holds` does. */
export async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await holds()) return
    await setTimeout(50)
  }
  throw new Error(`waited ten seconds in vain until ${what}`)
}
