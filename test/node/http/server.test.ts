import assert from 'node:assert/strict'
import { stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { z } from 'zod'
import { registryOf } from '../../../src/index.ts'
import { type ErrorDocument, RemoteError } from '../../../node/errors.ts'
import { callDaemon, isAnswering } from '../../../node/http/client.ts'
import { type ApiServer, serveApi } from '../../../node/http/server.ts'
import type { JobProgress } from '../../../node/job-options.ts'
import { defineJob, type Job } from '../../../node/jobs.ts'
import type { SwarmNode } from '../../../node/node.ts'
import { openWorkplace, type Workplace } from '../cli/command.ts'

describe('the socket of a daemon', () => {
  let place: Workplace
  let path: string
  let api: ApiServer
  let time = 0
  let cancelled: Promise<string>

  const echo = defineJob({
    id: 'echo',
    input: z.strictObject({ text: z.string() }),
    run: async (_, { text }) => ({ text }),
  })
  const steps = defineJob({
    id: 'steps',
    input: z.strictObject({}),
    async run(_, __, { onProgress }) {
      for (let done = 1; done <= 40; done++) {
        time += 50
        onProgress({ phase: 'walking', done, total: 40 })
      }
      return {}
    },
  })
  const hasty = defineJob({
    id: 'hasty',
    input: z.strictObject({}),
    async run(_, __, { onProgress }) {
      process.nextTick(() => {
        time += 1000
        onProgress({ phase: 'late', done: 1, total: 1 })
        announceLate()
      })
      throw new Error('a part of it failed')
    },
  })
  const endless = defineJob({
    id: 'endless',
    input: z.strictObject({}),
    async run(_, __, { signal, onProgress }) {
      onProgress({ phase: 'waiting', done: 0, total: 1 })
      await once(signal, 'abort')
      announceCancelled('cancelled')
      throw signal.reason
    },
  })
  let announceCancelled: (text: string) => void
  let announceLate: () => void

  beforeEach(async () => {
    place = await openWorkplace()
    path = place.path('api.sock')
    const later = Promise.withResolvers<string>()
    cancelled = later.promise
    announceCancelled = later.resolve
    const jobs = registryOf<Job>('job', [echo, steps, hasty, endless] as unknown as Job[])
    api = await serveApi({} as SwarmNode, jobs, path, { now: () => time })
  })
  afterEach(async () => {
    await api.drain()
    await api.stop()
    await place.remove()
  })

  it('is open to its owner alone', async () => {
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.equal(await isAnswering(path), true)
  })

  it('runs a job and gives back its result', async () => {
    assert.deepEqual(await callDaemon(path, 'echo', { text: 'ü' }), { text: 'ü' })
  })

  it('streams progress, at most one line in 100 ms', async () => {
    const seen: JobProgress[] = []
    await callDaemon(path, 'steps', {}, { onProgress: (progress) => void seen.push(progress) })
    assert.equal(seen.length, 20)
    assert.ok(seen.every(({ phase, total }) => phase === 'walking' && total === 40))
    assert.ok(seen.every(({ done }, i) => i === 0 || done > seen[i - 1]!.done))
  })

  it('outlives a job that reports progress after it has failed', async () => {
    const late = Promise.withResolvers<void>()
    announceLate = late.resolve
    await assert.rejects(callDaemon(path, 'hasty', {}), { message: 'a part of it failed' })
    await late.promise
    assert.deepEqual(await callDaemon(path, 'echo', { text: 'up' }), { text: 'up' })
  })

  it('cancels the job of a connection that closes', async () => {
    const abort = new AbortController()
    await assert.rejects(
      callDaemon(path, 'endless', {}, { signal: abort.signal, onProgress: () => abort.abort() }),
      { name: 'AbortError' },
    )
    assert.equal(await cancelled, 'cancelled')
  })

  it('refuses input that the job does not take', async () => {
    await assert.rejects(callDaemon(path, 'echo', { text: 1 }), (error) => {
      assert.ok(error instanceof RemoteError)
      const { id, exit, actual } = error.document
      assert.deepEqual([id, exit, actual], ['E_INPUT', 2, [1]])
      return true
    })
  })

  for (const [what, method, url, body, id] of [
    ['another method', 'GET', '/v1/jobs/echo', '', 'E_API'],
    ['another path', 'POST', '/', '{}', 'E_API'],
    ['a path that climbs', 'POST', '/v1/jobs/../echo', '{}', 'E_API'],
    ['an unknown job', 'POST', '/v1/jobs/ecko', '{}', 'E_UNKNOWN_JOB'],
    ['a name of every object', 'POST', '/v1/jobs/constructor', '{}', 'E_UNKNOWN_JOB'],
    ['what is not JSON', 'POST', '/v1/jobs/echo', '{"text":', 'E_INPUT'],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const { status, error } = await raw(method, url, body)
      assert.deepEqual([status, error?.id], [400, id])
    })
  }

  it('refuses a body of more than 1 MiB without reading it all', async () => {
    const huge = JSON.stringify({ text: 'x'.repeat(8 * 1024 * 1024) })
    const answer = await raw('POST', '/v1/jobs/echo', huge)
    if (answer.error !== undefined) assert.equal(answer.error.id, 'E_INPUT')
    else assert.match(answer.broken!, /EPIPE|ECONNRESET/)
    assert.deepEqual(await callDaemon(path, 'echo', { text: 'still here' }), { text: 'still here' })
  })

  it('takes no job while it drains, and ends those that run', async () => {
    const running = callDaemon(path, 'endless', {})
    const refusedOf = (call: Promise<unknown>) =>
      assert.rejects(call, (error) => {
        assert.ok(error instanceof RemoteError)
        assert.deepEqual([error.document.id, error.document.exit], ['E_STOPPING', 8])
        return true
      })
    const ended = refusedOf(running)
    while (!(await isAnswering(path))) await new Promise((resolve) => setTimeout(resolve, 5))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await api.drain()
    assert.equal(await cancelled, 'cancelled')
    await ended
    await refusedOf(callDaemon(path, 'echo', { text: 'late' }))
  })

  it('leaves no file when it stops', async () => {
    await api.stop()
    await assert.rejects(stat(path), { code: 'ENOENT' })
    assert.equal(await isAnswering(path), false)
  })

  it('takes the place of a file that a crash left, not of a daemon that answers', async () => {
    const stale = place.path('stale.sock')
    await writeFile(stale, '')
    const jobs = registryOf<Job>('job', [echo as unknown as Job])
    const second = await serveApi({} as SwarmNode, jobs, stale)
    assert.deepEqual(await callDaemon(stale, 'echo', { text: 'new' }), { text: 'new' })
    await assert.rejects(serveApi({} as SwarmNode, jobs, stale), { id: 'E_DAEMON_RUNNING' })
    assert.deepEqual(await callDaemon(stale, 'echo', { text: 'same' }), { text: 'same' })
    await second.stop()
  })

  it('says when the path of a home is too long for a socket', async () => {
    const long = place.path('x'.repeat(120))
    await assert.rejects(serveApi({} as SwarmNode, registryOf<Job>('job', []), long), {
      id: 'E_HOME_PATH',
    })
    assert.equal(await isAnswering(long), false)
  })

  async function raw(
    method: string,
    url: string,
    body: string,
  ): Promise<{ status?: number; error?: ErrorDocument; broken?: string }> {
    return new Promise((resolve) => {
      const call = request({ socketPath: path, method, path: url }, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => void (text += chunk.toString()))
        response.on('error', (error) => resolve({ broken: String(error) }))
        response.on('end', () => {
          const { error } = JSON.parse(text) as { error: ErrorDocument }
          resolve({ status: response.statusCode!, error })
        })
      })
      call.on('error', (error: NodeJS.ErrnoException) => resolve({ broken: error.code ?? '' }))
      call.end(body)
    })
  }
})

describe('callDaemon', () => {
  for (const [what, answer] of [
    ['hangs up', ''],
    ['answers with something else', 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello\n'],
    [
      'stops in the middle',
      'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{"type":"progress","phase":"x","done":1,"total":2}\n',
    ],
  ] as const) {
    it(`rejects with E_DAEMON_GONE when the other side ${what}`, async () => {
      const place = await openWorkplace()
      const path = place.path('api.sock')
      const server = createServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.end(answer))
      })
      server.listen(path)
      await once(server, 'listening')
      await assert.rejects(callDaemon(path, 'echo', {}), { id: 'E_DAEMON_GONE' })
      server.close()
      await place.remove()
    })
  }
})
