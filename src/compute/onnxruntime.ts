import { extname } from 'node:path'
import { SHARE_ENV, Worker } from 'node:worker_threads'
import { EnvironmentError, InvalidInputError } from '../errors.ts'
import { elementsOf } from '../tensors/tensor.ts'
import type { Kernels, Region } from './kernels.ts'
import type {
  Device,
  HeldTensor,
  PlacedTensor,
  TensorType,
  WorkerInit,
  WorkerQuestion,
  WorkerRequest,
  WorkerResponse,
} from './onnxruntime-worker.ts'

export type { Device } from './onnxruntime-worker.ts'

/**
 * onnxruntime in a thread of its own, on the memory of the kernels: on the CPU nothing is copied.
 * What it computes is measured and compared, never published: a device may round as it likes.
 */
export interface Runtime extends AsyncDisposable {
  readonly device: Device
  /** Engine, version, device and arithmetic, for example `onnxruntime 1.30.0 cpu f32`. */
  readonly description: string
  /** Compiles a serialised ONNX model. Rejects with `EnvironmentError` when it is refused. */
  session(model: Uint8Array): Promise<Session>
  /**
   * The same for a model whose outputs stay where it runs: on WebGPU's device, else in CPU memory.
   */
  residentSession(model: Uint8Array): Promise<ResidentSession>
  /** Ends the thread after what was asked before. May be called again. */
  close(): Promise<void>
}

export interface Session {
  /**
   * Reads `feeds` and fills `fetches`, whose shapes must be those of the outputs. Runs are queued.
   * Rejects with `EnvironmentError` `E_ONNXRUNTIME` when the run fails or the thread dies.
   */
  run(
    feeds: Readonly<Record<string, TensorView | DeviceTensor>>,
    fetches: Readonly<Record<string, TensorView>>,
  ): Promise<void>
  /** Frees the session after the runs asked before. May be called again. */
  release(): Promise<void>
}

export interface ResidentSession extends Pick<Session, 'release'> {
  /** Resolves to the outputs by name, each to be released. Rejects as `Session.run` does. */
  run(
    feeds: Readonly<Record<string, TensorView | DeviceTensor>>,
  ): Promise<ReadonlyMap<string, DeviceTensor>>
}

/** An output that stayed with onnxruntime: any session of the same runtime takes it as a feed. */
export interface DeviceTensor {
  /** Its number in the thread. */
  readonly held: number
  readonly type: TensorType
  readonly dims: readonly number[]
  /** Frees it after the runs asked before. May be called again. */
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
  /** `cpu` unless given. Whether there is such a device shows when the first session is made. */
  readonly device?: Device
  /**
   * Refuses a model with a node that the device cannot run; otherwise such a node runs on the CPU
   * without a word. True unless given.
   */
  readonly strict?: boolean
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
  const { threads = 1, module = 'onnxruntime-node', device = 'cpu', strict = true } = init
  const thread = startThread({ module, threads, device, strict })
  const { version } = await thread.ready.catch((cause: unknown) => {
    throw failure(`onnxruntime cannot be loaded from '${module}'`, cause, [
      'npm install',
      'use a platform that onnxruntime-node 1.30 has a binary for',
    ])
  })
  let sessions = 0

  async function create(model: Uint8Array, resident: boolean): Promise<number> {
    const session = ++sessions
    await thread.ask({ kind: 'create', session, model, resident }).catch((cause: unknown) => {
      throw failure('onnxruntime refused a model', cause, [
        device === 'cpu' ? 'npm install onnxruntime-node@~1.30.0' : 'deltaswarm doctor engine',
      ])
    })
    return session
  }

  function run(session: number, feeds: Feeds, fetches?: PlacedTensor[]): Promise<WorkerResponse> {
    const { buffer } = kernels
    const request = { kind: 'run', session, buffer, feeds: place(feeds) } as const
    return thread
      .ask(fetches === undefined ? request : { ...request, fetches })
      .catch((cause: unknown) => {
        throw failure('onnxruntime failed to run a model', cause)
      })
  }

  async function release(session: number): Promise<void> {
    await thread.ask({ kind: 'release', session })
  }

  return {
    device,
    description: `onnxruntime ${version} ${device} f32`,
    async session(model) {
      const session = await create(model, false)
      return {
        async run(feeds, fetches) {
          await run(session, feeds, place(fetches))
        },
        release: () => release(session),
      }
    },
    async residentSession(model) {
      const session = await create(model, true)
      return {
        async run(feeds) {
          const { outputs = [] } = await run(session, feeds)
          return new Map(outputs.map((output) => [output.name, deviceTensor(output, thread)]))
        },
        release: () => release(session),
      }
    },
    close: () => thread.close(),
    [Symbol.asyncDispose]: () => thread.close(),
  }
}

type Feeds = Readonly<Record<string, TensorView | DeviceTensor>>

function deviceTensor({ type, dims, held }: HeldTensor, thread: Thread): DeviceTensor {
  return {
    held,
    type,
    dims,
    release: () => thread.ask({ kind: 'drop', held }).then(() => undefined),
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

function place(tensors: Readonly<Record<string, TensorView>>): PlacedTensor[]
function place(tensors: Feeds): (PlacedTensor | HeldTensor)[]
function place(tensors: Feeds): (PlacedTensor | HeldTensor)[] {
  return Object.entries(tensors).map(([name, tensor]) => {
    const { type, dims } = tensor
    if ('held' in tensor) return { name, type, dims, held: tensor.held }
    const { region } = tensor
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
