import { z } from 'zod'
import { registryOf } from '../src/index.ts'
import { isJobVerb, loadVerbs } from './cli/verbs/index.ts'
import { type Config, socketPath } from './config.ts'
import { serveApi } from './http/server.ts'
import { defineJob, type Job } from './jobs.ts'
import { createNode } from './node.ts'

/** A node that serves its peers and, over its socket, the commands of its machine. */
export interface Daemon extends AsyncDisposable {
  readonly peer: string
  readonly addresses: readonly string[]
  /** What was repaired in the store at the start, in words. */
  readonly findings: readonly string[]
  /** Resolves when somebody asked it to stop over the socket. */
  readonly stopped: Promise<void>
}

export async function startDaemon(config: Config): Promise<Daemon> {
  const node = await createNode(config, { online: 'now' })
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>()
  const stopJob = defineJob({
    id: 'stop',
    input: z.strictObject({}),
    async run() {
      stop()
      return { stopped: true }
    },
  })
  try {
    const verbs = await loadVerbs()
    const jobs = verbs.ids.map((id) => verbs.get(id)).filter(isJobVerb)
    const api = await serveApi(
      node,
      registryOf<Job>('job', [...jobs, stopJob as Job]),
      socketPath(config),
    )
    return {
      peer: node.peer,
      addresses: node.network!.addresses(),
      findings: node.store.findings,
      stopped,
      async [Symbol.asyncDispose]() {
        await api.drain()
        try {
          await node.stop()
        } finally {
          // An open door would keep the process alive.
          await api.stop()
        }
      },
    }
  } catch (error) {
    await node.stop()
    throw error
  }
}
