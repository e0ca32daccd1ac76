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
  readonly device: Device
  /** Refuses a model that has a node the device cannot run, which would run on the CPU unseen. */
  readonly strict: boolean
}

/** Where sessions run, by the name that onnxruntime has for it. */
export type Device = 'cpu' | 'webgpu' | 'cuda'

export type TensorType = 'float32' | 'float16' | 'int32' | 'int64'

/** A tensor that lies in shared memory. */
export interface PlacedTensor {
  readonly name: string
  readonly type: TensorType
  readonly dims: readonly number[]
  readonly pointer: number
}

/** A tensor that the thread holds on its device. */
export interface HeldTensor {
  readonly name: string
  readonly type: TensorType
  readonly dims: readonly number[]
  readonly held: number
}

interface RunRequest {
  readonly kind: 'run'
  readonly session: number
  readonly buffer: SharedArrayBuffer
  readonly feeds: readonly (PlacedTensor | HeldTensor)[]
  /** Where the outputs go; without it they are held. */
  readonly fetches?: readonly PlacedTensor[]
}

interface CreateRequest {
  readonly kind: 'create'
  readonly session: number
  readonly model: Uint8Array
  /** Whether its outputs stay on the device. */
  readonly resident: boolean
}

export type WorkerRequest =
  | CreateRequest
  | RunRequest
  | { readonly kind: 'release'; readonly session: number }
  | { readonly kind: 'drop'; readonly held: number }
  | { readonly kind: 'close' }

export interface WorkerQuestion {
  /** From 1 on. */
  readonly id: number
  readonly request: WorkerRequest
}

export interface WorkerResponse {
  /**
   * The question's number; 0 for the first message, which says whether onnxruntime could be loaded.
   */
  readonly id: number
  readonly error?: Error
  readonly version?: string
  /** Outputs that are held from now on. */
  readonly outputs?: readonly HeldTensor[]
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
const { module, threads, device, strict } = workerData as WorkerInit
const sessions = new Map<number, InferenceSession>()
const tensors = new Map<number, Tensor>()
let lastHeld = 0

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
  setEnvironment()
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

async function handle(
  ort: Onnxruntime,
  request: WorkerRequest,
): Promise<readonly HeldTensor[] | void> {
  switch (request.kind) {
    case 'create':
      sessions.set(request.session, await create(ort, request))
      return
    case 'run':
      return run(ort, request)
    case 'release':
      await sessions.get(request.session)?.release()
      sessions.delete(request.session)
      return
    case 'drop':
      tensors.get(request.held)?.dispose()
      tensors.delete(request.held)
      return
    case 'close':
      for (const tensor of tensors.values()) tensor.dispose()
      for (const session of sessions.values()) await session.release()
      port.close()
  }
}

/** One provider, never a list: onnxruntime throws where the first of several is not there. */
function create(ort: Onnxruntime, { model, resident }: CreateRequest): Promise<InferenceSession> {
  const onDevice = device !== 'cpu'
  return ort.InferenceSession.create(model, {
    executionProviders: [device],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // Errors are thrown; nothing is to be printed besides.
    logSeverityLevel: 4,
    // Only WebGPU's memory is known to this binding; others hold outputs in the CPU's.
    ...(resident && device === 'webgpu' ? { preferredOutputLocation: 'gpu-buffer' as const } : {}),
    extra: {
      session: {
        // Threads that wait for work by spinning take the cores that the kernels need.
        intra_op: { allow_spinning: '0' },
        ...(strict && onDevice ? { disable_cpu_ep_fallback: '1' } : {}),
      },
    },
  })
}

/**
 * Node before 24.9 hands no shared memory to native code, which shows at the first run; from then
 * on tensors are copied in and out.
 */
let copies = false

async function run(
  ort: Onnxruntime,
  { session: id, buffer, feeds, fetches }: RunRequest,
): Promise<readonly HeldTensor[] | void> {
  const session = sessionOf(id)
  if (fetches === undefined) {
    return hold(await shared((copied) => session.run(place(ort, feeds, buffer, copied))))
  }
  await shared(async (copied) => {
    if (!copied) return session.run(place(ort, feeds, buffer), place(ort, fetches, buffer))
    const names = fetches.map(({ name }) => name)
    const results = await session.run(place(ort, feeds, buffer, copied), names)
    for (const tensor of fetches) {
      const result = results[tensor.name]!
      viewOf(tensor, buffer).set(result.data as Float32Array & BigInt64Array)
      result.dispose()
    }
  })
}

async function shared<T>(work: (copied: boolean) => Promise<T>): Promise<T> {
  if (copies) return work(true)
  try {
    return await work(false)
  } catch (error) {
    if (!asError(error).message.includes('Invalid argument')) throw error
    copies = true
    return work(true)
  }
}

function hold(results: Readonly<Record<string, Tensor>>): HeldTensor[] {
  return Object.entries(results).map(([name, tensor]) => {
    tensors.set(++lastHeld, tensor)
    return { name, type: tensor.type as TensorType, dims: tensor.dims, held: lastHeld }
  })
}

function place(
  ort: Onnxruntime,
  given: readonly (PlacedTensor | HeldTensor)[],
  buffer: SharedArrayBuffer,
  copied = false,
): Record<string, Tensor> {
  return Object.fromEntries(
    given.map((tensor) => {
      if ('held' in tensor) return [tensor.name, heldTensor(tensor)]
      const view = viewOf(tensor, buffer)
      const data = copied ? view.slice() : view
      return [
        tensor.name,
        Reflect.construct(ort.Tensor, [tensor.type, data, tensor.dims]) as Tensor,
      ]
    }),
  )
}

function heldTensor({ name, held }: HeldTensor): Tensor {
  const tensor = tensors.get(held)
  if (tensor === undefined) throw new Error(`the tensor fed to '${name}' was released`)
  return tensor
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

async function answer(id: number, work: Promise<readonly HeldTensor[] | void>): Promise<void> {
  const response: WorkerResponse = await work.then(
    (outputs) => (outputs ? { id, outputs } : { id }),
    (cause: unknown) => ({ id, error: asError(cause) }),
  )
  port.postMessage(response)
}

/** What can be sent to another thread for certain. */
function asError(cause: unknown): Error {
  return new Error(cause instanceof Error ? cause.message : String(cause))
}

/**
 * From 1.30 on onnxruntime reports every process and session to its maker, on Linux too, unless
 * this is set before it starts. Nobody who cannot share data may send such a thing unasked. And
 * CUDA's matrix products are not f32 unless it is told: TF32 has 10 bits of mantissa.
 */
function setEnvironment(): void {
  process.env['ORT_DISABLE_TELEMETRY'] = '1'
  if (device === 'cuda') process.env['NVIDIA_TF32_OVERRIDE'] = '0'
}
