import { chmod, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { EnvironmentError, InvalidInputError, type Registry } from '../../src/index.ts'
import { describeError } from '../errors.ts'
import { type Job, runJob } from '../jobs.ts'
import type { SwarmNode } from '../node.ts'
import { isAnswering } from './client.ts'

/**
 * The daemon's door for commands of the same machine: HTTP over a unix socket that only its owner may
 * open. `POST /v1/jobs/<id>` takes JSON and answers with lines of JSON: any number of
 * `{"type":"progress"}`, then one `{"type":"result"}` or `{"type":"error"}`. Closing the connection
 * cancels the job.
 */
export interface ApiServer {
  readonly path: string
  stop(): Promise<void>
}

/** A job's input: names, references and parameters. */
const MAX_INPUT = 1024 * 1024

/** Time between two progress lines of a job. */
const PROGRESS_MS = 100

/** How long a stop waits for answers to be read. */
const FAREWELL_MS = 1000

export async function serveApi(
  node: SwarmNode,
  jobs: Registry<Job>,
  path: string,
  init: { now?: () => number } = {},
): Promise<ApiServer> {
  const now = init.now ?? Date.now
  // A socket file that nobody answers on was left by a crash; the store's lock says who is alive.
  if (await isAnswering(path)) {
    throw new EnvironmentError('E_DAEMON_RUNNING', 'a node already runs in this home', {
      expected: 'no daemon',
      actual: path,
      fix: 'deltaswarm down',
    })
  }
  await rm(path, { force: true })
  const running = new Set<AbortController>()
  const server = createServer((request, response) => {
    const abort = new AbortController()
    running.add(abort)
    response.on('close', () => abort.abort())
    answer(request, response, abort.signal)
      .catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(400, { 'content-type': 'application/json' })
        response.end(`${JSON.stringify({ type: 'error', error: describeError(error) })}\n`)
      })
      .finally(() => running.delete(abort))
  })

  const answer = async (
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> => {
    const id = /^\/v1\/jobs\/([a-z.-]+)$/.exec(request.url ?? '')?.[1]
    if (request.method !== 'POST' || id === undefined) {
      throw new InvalidInputError('E_API', 'this door takes POST /v1/jobs/<id>', {
        expected: 'POST /v1/jobs/<id>',
        actual: `${request.method} ${request.url}`,
      })
    }
    const job = jobs.get(id)
    const input = JSON.parse(await body(request)) as unknown
    response.writeHead(200, { 'content-type': 'application/x-ndjson', connection: 'close' })
    response.flushHeaders()
    let last = 0
    const result = await runJob(job, node, input, {
      signal,
      onProgress(progress) {
        if (now() - last < PROGRESS_MS) return
        last = now()
        response.write(`${JSON.stringify({ type: 'progress', ...progress })}\n`)
      },
    })
    response.end(`${JSON.stringify({ type: 'result', result })}\n`)
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  await chmod(path, 0o600)
  return {
    path,
    async stop() {
      for (const abort of running) abort.abort()
      const closed = new Promise((resolve) => server.close(resolve))
      // Whoever asked for the stop gets an answer; who does not read it is not waited for.
      const cut = setTimeout(() => server.closeAllConnections(), FAREWELL_MS)
      await closed
      clearTimeout(cut)
      await rm(path, { force: true })
    },
  }
}

async function body(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > MAX_INPUT) {
      throw new InvalidInputError('E_INPUT', 'the input is too large', {
        expected: `at most ${MAX_INPUT} bytes`,
        actual: size,
      })
    }
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
