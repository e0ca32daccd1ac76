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

/** Waits until `holds` does, also when gossip lost a record and only the next sync brings it. */
export async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await setTimeout(50)
  }
}

const PATIENCE_MS = 60_000
