import { rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  EnvironmentError,
  InvalidInputError,
  NetworkError,
  type Registry,
} from '../../src/index.ts'
import { describeError } from '../errors.ts'
import { type Job, runJob } from '../jobs.ts'
import type { SwarmNode } from '../node.ts'
import { isAnswering } from './client.ts'

/**
 * The daemon's door for commands of the same machine: HTTP over a unix socket that only its owner
 * may open. `POST /v1/jobs/<id>` takes JSON and answers with lines of JSON: any number of
 * `{"type":"progress"}`, then one `{"type":"result"}` or `{"type":"error"}`. Closing the connection
 * cancels the job.
 */
export interface ApiServer {
  readonly path: string
  /** Takes no more jobs, cancels those that run and resolves when they have ended. */
  drain(): Promise<void>
  /**
   * Closes the door. It comes after the store is closed: who no longer gets an answer may take it.
   */
  stop(): Promise<void>
}

/** A job's input: names, references and parameters. */
const MAX_INPUT = 1024 * 1024

/** Time between two progress lines of a job. */
const PROGRESS_MS = 100

/** How long a stop waits for a cancelled job, and for answers to be read. */
const DRAIN_MS = 5_000
const FAREWELL_MS = 1_000

/** The longest path that a unix socket can have on Linux; macOS takes four bytes less. */
const MAX_PATH = 107

export async function serveApi(
  node: SwarmNode,
  jobs: Registry<Job>,
  path: string,
  init: { now?: () => number } = {},
): Promise<ApiServer> {
  const now = init.now ?? Date.now
  if (Buffer.byteLength(path) > MAX_PATH) {
    throw new InvalidInputError('E_HOME_PATH', 'the path of the home is too long for a socket', {
      expected: `${path} in at most ${MAX_PATH} bytes`,
      actual: Buffer.byteLength(path),
      fix: 'choose a shorter folder with --home',
    })
  }
  // A socket file that nobody answers on was left by a crash; the store's lock says who is alive.
  if (await isAnswering(path)) {
    throw new EnvironmentError('E_DAEMON_RUNNING', 'a node already runs in this home', {
      expected: 'no daemon',
      actual: path,
      fix: 'deltaswarm down',
    })
  }
  await rm(path, { force: true })
  const running = new Map<AbortController, Promise<void>>()
  let draining = false
  const server = createServer((request, response) => {
    const abort = new AbortController()
    response.on('close', () => abort.abort())
    const answered = answer(request, response, abort.signal)
      .catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(400, headers)
        const reason = draining && abort.signal.aborted ? stopping() : error
        response.end(`${JSON.stringify({ type: 'error', error: describeError(reason) })}\n`)
      })
      .finally(() => running.delete(abort))
    running.set(abort, answered)
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
    if (draining) throw stopping()
    const job = jobs.get(id)
    const input = parseInput(await body(request))
    response.writeHead(200, headers)
    response.flushHeaders()
    let last = 0
    const result = await runJob(job, node, input, {
      signal,
      onProgress(progress) {
        // Parts of a job that failed may report a little longer.
        if (response.writableEnded || now() - last < PROGRESS_MS) return
        last = now()
        response.write(`${JSON.stringify({ type: 'progress', ...progress })}\n`)
      },
    })
    response.end(`${JSON.stringify({ type: 'result', result })}\n`)
  }

  await new Promise<void>((resolve, reject) => {
    // For good: a connection that cannot be accepted later is no reason to end.
    server.on('error', reject)
    // Born closed to others: between a bind and a chmod somebody could connect.
    const mask = process.umask(0o177)
    server.listen(path, resolve)
    process.umask(mask)
  })
  return {
    path,
    async drain() {
      draining = true
      for (const abort of running.keys()) abort.abort()
      await Promise.race([
        Promise.all(running.values()),
        sleep(DRAIN_MS, undefined, { ref: false }),
      ])
    },
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      // Whoever asked for the stop gets an answer; who does not read it is not waited for.
      const cut = setTimeout(() => server.closeAllConnections(), FAREWELL_MS)
      await closed
      clearTimeout(cut)
      await rm(path, { force: true })
    },
  }
}

const headers = { 'content-type': 'application/x-ndjson', connection: 'close' }

function stopping(): NetworkError {
  return new NetworkError('E_STOPPING', 'the node of this home is stopping', {
    expected: 'a running node',
    actual: 'one that stops',
    fix: 'run the command again; finished parts are kept',
  })
}

function parseInput(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new InvalidInputError('E_INPUT', 'the input is not JSON', {
      expected: 'a JSON document',
      actual: text.slice(0, 80),
      cause,
    })
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
