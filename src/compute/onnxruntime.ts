import { extname } from 'node:path'
import { SHARE_ENV, Worker } from 'node:worker_threads'
import { EnvironmentError, InvalidInputError } from '../errors.ts'
import { elementsOf } from '../tensors/tensor.ts'
import type { Kernels, Region } from './kernels.ts'
import type {
  PlacedTensor,
  TensorType,
  WorkerInit,
  WorkerQuestion,
  WorkerRequest,
  WorkerResponse,
} from './onnxruntime-worker.ts'

/** onnxruntime in a thread of its own, on the memory of the kernels: nothing is copied. */
export interface Runtime extends AsyncDisposable {
  /** Engine, version, device and arithmetic, for example `onnxruntime 1.30.0 cpu f32`. */
  readonly description: string
  /** Compiles a serialised ONNX model. Rejects with `EnvironmentError` when it is refused. */
  session(model: Uint8Array): Promise<Session>
  /** Ends the thread after what was asked before. May be called again. */
  close(): Promise<void>
}

export interface Session {
  /**
   * Reads `feeds` and fills `fetches`, whose shapes must be those of the outputs. Runs are queued.
   * Rejects with `EnvironmentError` `E_ONNXRUNTIME` when the run fails or the thread dies.
   */
  run(
    feeds: Readonly<Record<string, TensorView>>,
    fetches: Readonly<Record<string, TensorView>>,
  ): Promise<void>
  /** Frees the session after the runs asked before. May be called again. */
  release(): Promise<void>
}

/** A region read as a row-major tensor; it may be longer than the tensor. */
export interface TensorView {
  readonly region: Region
  readonly type: TensorType
  readonly dims: readonly number[]
}

export interface RuntimeInit {
  /** Threads of one matrix product; results do not depend on it. 1 unless given. */
  readonly threads?: number
  /** Imported in place of onnxruntime-node. */
  readonly module?: string
}

const bytesPer: Readonly<Record<TensorType, number>> = {
  float32: 4,
  float16: 2,
  int32: 4,
  int64: 8,
}

/**
 * Starts the thread. Rejects with `EnvironmentError` `E_ONNXRUNTIME` when onnxruntime cannot be
 * loaded. The idle thread does not keep the process alive.
 */
export async function openRuntime(kernels: Kernels, init: RuntimeInit = {}): Promise<Runtime> {
  const { threads = 1, module = 'onnxruntime-node' } = init
  const thread = startThread({ module, threads })
  const { version } = await thread.ready.catch((cause: unknown) => {
    throw failure(`onnxruntime cannot be loaded from '${module}'`, cause, [
      'npm install',
      'use a platform that onnxruntime-node 1.30 has a binary for',
    ])
  })
  let sessions = 0

  return {
    description: `onnxruntime ${version} cpu f32`,
    async session(model) {
      const session = ++sessions
      await thread.ask({ kind: 'create', session, model }).catch((cause: unknown) => {
        throw failure('onnxruntime refused a model', cause, 'npm install onnxruntime-node@~1.30.0')
      })
      return {
        async run(feeds, fetches) {
          const request = {
            kind: 'run',
            session,
            buffer: kernels.buffer,
            feeds: place(feeds),
            fetches: place(fetches),
          } as const
          await thread.ask(request).catch((cause: unknown) => {
            throw failure('onnxruntime failed to run a model', cause)
          })
        },
        release: () => thread.ask({ kind: 'release', session }).then(() => undefined),
      }
    },
    close: () => thread.close(),
    [Symbol.asyncDispose]: () => thread.close(),
  }
}

interface Thread {
  readonly ready: Promise<WorkerResponse>
  ask(request: WorkerRequest): Promise<WorkerResponse>
  close(): Promise<void>
}

/** Every question is answered or rejected, at the latest when the thread has ended. */
function startThread(workerData: WorkerInit): Thread {
  const extension = extname(import.meta.url) // .ts in the repository, .js in the package
  const file = new URL(`./onnxruntime-worker${extension}`, import.meta.url)
  // Flags of the main thread such as --input-type may not suit a file.
  // It shares the environment because onnxruntime reads the process's own, not a copy.
  const worker = new Worker(file, { workerData, execArgv: [], env: SHARE_ENV })
  const pending = new Map<number, PromiseWithResolvers<WorkerResponse>>()
  const exited = Promise.withResolvers<void>()
  let asked = 0
  let crash: Error | undefined
  let end: EnvironmentError | undefined
  let closing: Promise<void> | undefined

  worker.on('message', (response: WorkerResponse) => {
    const question = pending.get(response.id)
    pending.delete(response.id)
    if (pending.size === 0 && closing === undefined) worker.unref()
    if (response.error === undefined) question?.resolve(response)
    else question?.reject(response.error)
  })
  worker.on('error', (error: Error) => (crash = error))
  worker.on('exit', () => {
    end ??= failure("onnxruntime's thread ended", crash, 'open the runtime again')
    for (const question of pending.values()) question.reject(end)
    pending.clear()
    exited.resolve()
  })

  function expect(id: number): Promise<WorkerResponse> {
    const question = Promise.withResolvers<WorkerResponse>()
    pending.set(id, question)
    worker.ref()
    return question.promise
  }

  function ask(request: WorkerRequest): Promise<WorkerResponse> {
    if (end !== undefined) return Promise.reject(end)
    const id = ++asked
    worker.postMessage({ id, request } satisfies WorkerQuestion)
    return expect(id)
  }

  return {
    ready: expect(0),
    ask,
    close() {
      // The thread may be gone before its answer is here.
      closing ??= ask({ kind: 'close' })
        .catch(() => undefined)
        .then(() => exited.promise)
      end ??= failure('the runtime is closed', undefined, 'open it again')
      return closing
    },
  }
}

function place(tensors: Readonly<Record<string, TensorView>>): PlacedTensor[] {
  return Object.entries(tensors).map(([name, { region, type, dims }]) => {
    const bytes = elementsOf(dims) * bytesPer[type]
    if (bytes <= region.bytes) return { name, type, dims, pointer: region.pointer }
    throw new InvalidInputError(
      'E_REGION',
      `expected a region of at least ${bytes} bytes for '${name}', got ${region.bytes}`,
      { expected: bytes, actual: region.bytes },
    )
  })
}

/** Errors that are already ours pass as they are. */
function failure(
  message: string,
  cause: unknown,
  fix: string | readonly string[] = [],
): EnvironmentError {
  if (cause instanceof EnvironmentError) return cause
  const reason = cause instanceof Error ? `: ${cause.message}` : ''
  return new EnvironmentError('E_ONNXRUNTIME', message + reason, { cause, fix })
}
