import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { parentPort, workerData } from 'node:worker_threads'

/**
 * The thread that runs onnxruntime, whose calls block the event loop. The only file that loads it.
 * Answers requests one after the other, in the order in which they came.
 */

export interface WorkerInit {
  /** What to import as onnxruntime. */
  readonly module: string
  readonly threads: number
}

export type TensorType = 'float32' | 'float16' | 'int32' | 'int64'

/** A tensor that lies in shared memory. */
export interface PlacedTensor {
  readonly name: string
  readonly type: TensorType
  readonly dims: readonly number[]
  readonly pointer: number
}

interface RunRequest {
  readonly kind: 'run'
  readonly session: number
  readonly buffer: SharedArrayBuffer
  readonly feeds: readonly PlacedTensor[]
  readonly fetches: readonly PlacedTensor[]
}

export type WorkerRequest =
  | { readonly kind: 'create'; readonly session: number; readonly model: Uint8Array }
  | RunRequest
  | { readonly kind: 'release'; readonly session: number }
  | { readonly kind: 'close' }

export interface WorkerQuestion {
  /** From 1 on. */
  readonly id: number
  readonly request: WorkerRequest
}

export interface WorkerResponse {
  /** The question's number; 0 for the first message, which says whether onnxruntime could be loaded. */
  readonly id: number
  readonly error?: Error
  readonly version?: string
}

interface Onnxruntime {
  readonly InferenceSession: typeof InferenceSession
  readonly Tensor: typeof Tensor
  readonly env: { readonly versions: { readonly node?: string } }
}

/** What the arrays of all tensor types can do. */
interface SharedView {
  set(source: ArrayLike<number> & ArrayLike<bigint>): void
  /** A copy in memory of its own. */
  slice(): SharedView
}

type SharedArray = new (buffer: SharedArrayBuffer, offset: number, count: number) => SharedView

const arrays: Readonly<Record<TensorType, SharedArray>> = {
  float32: Float32Array,
  float16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
}

const port = parentPort!
const { module, threads } = workerData as WorkerInit
const sessions = new Map<number, InferenceSession>()

try {
  const ort = await loadOnnxruntime()
  let last = Promise.resolve()
  port.on('message', ({ id, request }: WorkerQuestion) => {
    last = last.then(() => answer(id, handle(ort, request)))
  })
  port.postMessage({ id: 0, version: ort.env.versions.node ?? '' } satisfies WorkerResponse)
} catch (error) {
  port.postMessage({ id: 0, error: asError(error) } satisfies WorkerResponse)
}

/**
 * Float16Array stays hidden until onnxruntime has looked which array types there are: it would take
 * float16 data as one and then find it empty, while it reads a Uint16Array well.
 */
async function loadOnnxruntime(): Promise<Onnxruntime> {
  forbidTelemetry()
  const hidden = Object.getOwnPropertyDescriptor(globalThis, 'Float16Array')
  Reflect.deleteProperty(globalThis, 'Float16Array')
  try {
    const { default: ort } = (await import(module)) as { default: Onnxruntime }
    Reflect.construct(ort.Tensor, ['float32', new Float32Array(1), [1]])
    return ort
  } finally {
    if (hidden !== undefined) Object.defineProperty(globalThis, 'Float16Array', hidden)
  }
}

async function handle(ort: Onnxruntime, request: WorkerRequest): Promise<void> {
  switch (request.kind) {
    case 'create': {
      const session = await ort.InferenceSession.create(request.model, {
        executionProviders: ['cpu'],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        // Errors are thrown; nothing is to be printed besides.
        logSeverityLevel: 4,
        // Threads that wait for work by spinning take the cores that the kernels need.
        extra: { session: { intra_op: { allow_spinning: '0' } } },
      })
      sessions.set(request.session, session)
      return
    }
    case 'run':
      return run(ort, request)
    case 'release':
      await sessions.get(request.session)?.release()
      sessions.delete(request.session)
      return
    case 'close':
      for (const session of sessions.values()) await session.release()
      port.close()
  }
}

/**
 * Node before 24.9 hands no shared memory to native code, which shows at the first run; from then on
 * tensors are copied in and out.
 */
let copies = false

async function run(ort: Onnxruntime, request: RunRequest): Promise<void> {
  const { buffer, feeds, fetches } = request
  const session = sessionOf(request.session)
  if (!copies) {
    try {
      await session.run(place(ort, feeds, buffer), place(ort, fetches, buffer))
      return
    } catch (error) {
      if (!asError(error).message.includes('Invalid argument')) throw error
      copies = true
    }
  }
  const names = fetches.map(({ name }) => name)
  const results = await session.run(place(ort, feeds, buffer, copies), names)
  for (const tensor of fetches) {
    const result = results[tensor.name]!
    viewOf(tensor, buffer).set(result.data as Float32Array & BigInt64Array)
    result.dispose()
  }
}

function place(
  ort: Onnxruntime,
  tensors: readonly PlacedTensor[],
  buffer: SharedArrayBuffer,
  copied = false,
): Record<string, Tensor> {
  return Object.fromEntries(
    tensors.map((tensor) => {
      const view = viewOf(tensor, buffer)
      const data = copied ? view.slice() : view
      return [
        tensor.name,
        Reflect.construct(ort.Tensor, [tensor.type, data, tensor.dims]) as Tensor,
      ]
    }),
  )
}

function viewOf({ type, dims, pointer }: PlacedTensor, buffer: SharedArrayBuffer): SharedView {
  const count = dims.reduce((product, dimension) => product * dimension, 1)
  return new arrays[type](buffer, pointer, count)
}

function sessionOf(id: number): InferenceSession {
  const session = sessions.get(id)
  if (session === undefined) throw new Error('the session was released')
  return session
}

async function answer(id: number, work: Promise<void>): Promise<void> {
  let error: Error | undefined
  await work.catch((cause: unknown) => (error = asError(cause)))
  port.postMessage((error === undefined ? { id } : { id, error }) satisfies WorkerResponse)
}

/** What can be sent to another thread for certain. */
function asError(cause: unknown): Error {
  return new Error(cause instanceof Error ? cause.message : String(cause))
}

/**
 * From 1.30 on onnxruntime reports every process and session to its maker, on Linux too, unless this
 * is set before it starts. Nobody who cannot share data may send such a thing unasked.
 */
function forbidTelemetry(): void {
  process.env['ORT_DISABLE_TELEMETRY'] = '1'
}
