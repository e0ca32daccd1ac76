import { request } from 'node:http'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { NetworkError, NotAllowedError } from '../../src/index.ts'
import { type ErrorDocument, RemoteError } from '../errors.ts'
import type { JobOptions, JobProgress } from '../job-options.ts'

/**
 * Whether somebody accepts connections on a unix socket. Rejects with `NotAllowedError`
 * `E_SOCKET_DENIED` when the socket is another user's.
 */
export function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (code !== 'EACCES' && code !== 'EPERM') return resolve(false)
      reject(
        new NotAllowedError('E_SOCKET_DENIED', 'the node of this home belongs to another user', {
          expected: 'a socket that we may open',
          actual: `${path}: ${code}`,
          fix: 'run the command as the user who started the node, or choose another folder with --home',
        }),
      )
    })
  })
}

type Line =
  | ({ type: 'progress' } & JobProgress)
  | { type: 'result'; result: unknown }
  | { type: 'error'; error: ErrorDocument }

/**
 * Runs a job in the daemon that answers on `path` and gives back its result. Rejects with the
 * daemon's own error, and with `NetworkError` `E_DAEMON_GONE` when it stops in the middle.
 */
export async function callDaemon(
  path: string,
  job: string,
  input: unknown,
  options: Partial<JobOptions> = {},
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath: path,
        path: `/v1/jobs/${job}`,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      (response) => {
        const lines = createInterface({ input: response, crlfDelay: Infinity })
        lines.on('line', (text) => {
          const line = parseLine(text)
          if (line?.type === 'progress') options.onProgress?.(line)
          else if (line?.type === 'result') resolve(line.result)
          else if (line?.type === 'error') reject(new RemoteError(line.error))
          else reject(gone(path, new Error(`it said ${text.slice(0, 80)}`)))
        })
        // A promise is settled once: after a result these change nothing.
        lines.on('close', () => reject(gone(path)))
        lines.on('error', (cause: Error) => reject(failure(cause, path)))
      },
    )
    call.on('error', (cause) => reject(failure(cause, path)))
    call.end(JSON.stringify(input))
  })
}

function parseLine(text: string): Line | undefined {
  try {
    return JSON.parse(text) as Line
  } catch {
    return undefined
  }
}

function failure(cause: Error, path: string): Error {
  return cause.name === 'AbortError' ? cause : gone(path, cause)
}

function gone(path: string, cause?: Error): NetworkError {
  return new NetworkError('E_DAEMON_GONE', 'the daemon stopped before it answered', {
    expected: 'an answer',
    actual: cause?.message ?? 'the connection closed',
    fix: 'deltaswarm status, then run the command again',
    details: { socket: path },
    cause,
  })
}
