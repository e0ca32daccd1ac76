import type { Region } from '../compute/kernels.ts'
import type {
  DeviceTensor,
  ResidentSession,
  Runtime,
  Session,
  TensorView,
} from '../compute/onnxruntime.ts'
import { IncompatibleError } from '../errors.ts'
import { createEmitter, type Emitter } from './emitter.ts'
import type { OnnxValue } from './onnx.ts'
import { RESULT } from './program.ts'
import { createSessionCache } from './session-cache.ts'

/**
 * Tensors where a runtime computes: brought there, computed with there, and brought back only when
 * somebody asks. On the CPU the same calls work on memory of onnxruntime's own. Every tensor that
 * comes out is the caller's to release.
 */
export interface DeviceMemory {
  /** Copies f32 or int32, bit for bit. */
  upload(view: TensorView): Promise<DeviceTensor>
  /** Copies a tensor to the beginning of `out`. */
  download(tensor: DeviceTensor, out: Region): Promise<void>
  /** Runs the graph that `emit` makes of the inputs' names; its result has the shape `dims`. */
  compute(
    inputs: readonly DeviceTensor[],
    dims: readonly number[],
    emit: (emitter: Emitter, inputs: readonly string[]) => string,
  ): Promise<DeviceTensor>
  /** The matrix product a [m, k] · b [k, n]. Throws `IncompatibleError` `E_SHAPE`. */
  product(a: DeviceTensor, b: DeviceTensor): Promise<DeviceTensor>
  /** Releases the sessions; tensors and the runtime stay. */
  close(): Promise<void>
}

/**
 * Graphs that are kept compiled: a model has about ten shapes, and a recipe a few steps on each.
 */
const KEPT_SESSIONS = 128

export function createDeviceMemory(runtime: Runtime): DeviceMemory {
  const resident = createSessionCache<ResidentSession>()
  const leaving = createSessionCache<Session>()

  const memory: DeviceMemory = {
    async upload(view) {
      const model = copyModel(view)
      const session = await resident.get(keyOf(model), () => runtime.residentSession(model))
      return (await session.run({ [nameOf(0)]: view })).get(RESULT)!
    },
    async download(tensor, region) {
      const { type, dims } = tensor
      const model = copyModel(tensor)
      const session = await leaving.get(keyOf(model), () => runtime.session(model))
      await session.run({ [nameOf(0)]: tensor }, { [RESULT]: { region, type, dims } })
      await leaving.trim(KEPT_SESSIONS)
    },
    async compute(inputs, dims, emit) {
      const emitter = createEmitter()
      const names = inputs.map((_, i) => nameOf(i))
      const from = emit(emitter, names)
      const value: OnnxValue = { name: RESULT, type: 'float32', shape: dims }
      const model = emitter.finish('device', inputs.map(valueOf), [{ value, from }])
      const session = await resident.get(keyOf(model), () => runtime.residentSession(model))
      const feeds = Object.fromEntries(inputs.map((tensor, i) => [names[i]!, tensor]))
      const result = (await session.run(feeds)).get(RESULT)!
      await resident.trim(KEPT_SESSIONS)
      return result
    },
    product(a, b) {
      const [rows, inner] = a.dims
      const [height, columns] = b.dims
      if (a.dims.length !== 2 || b.dims.length !== 2 || inner !== height) throw unfit(a, b)
      return memory.compute([a, b], [rows!, columns!], (emitter, names) =>
        emitter.node('MatMul', names),
      )
    },
    async close() {
      await resident.trim(0)
      await leaving.trim(0)
    },
  }
  return memory
}

/** A graph of one Identity, which alone keeps the bits: x + 0 loses −0, and x · 1 denormals. */
function copyModel(tensor: Pick<TensorView, 'type' | 'dims'>): Uint8Array {
  const value = valueOf(tensor, 0)
  return createEmitter().finish(
    'copy',
    [value],
    [{ value: { ...value, name: RESULT }, from: nameOf(0) }],
  )
}

function valueOf({ type, dims }: Pick<TensorView, 'type' | 'dims'>, index: number): OnnxValue {
  if (type === 'float16') throw new TypeError('graphs compute in float32')
  return { name: nameOf(index), type, shape: dims }
}

function nameOf(index: number): string {
  return `x${index}`
}

/** A model is its own key: it is a few hundred bytes. */
function keyOf(model: Uint8Array): string {
  return Buffer.from(model).toString('latin1')
}

function unfit(a: DeviceTensor, b: DeviceTensor): IncompatibleError {
  return new IncompatibleError('E_SHAPE', 'the matrices do not fit together', {
    expected: '[m, k] and [k, n]',
    actual: `[${a.dims.join(', ')}] and [${b.dims.join(', ')}]`,
  })
}
