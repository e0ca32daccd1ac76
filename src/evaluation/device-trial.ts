import type { Weights } from '../checkpoints/weights.ts'
import { allocateBuffers } from '../compute/buffers.ts'
import type { Kernels } from '../compute/kernels.ts'
import type { Runtime } from '../compute/onnxruntime.ts'
import { createEmitter } from '../graphs/emitter.ts'
import { RESULT } from '../graphs/program.ts'
import { type Architecture, type Model, readModel } from '../models/index.ts'
import { createRandom } from '../random.ts'
import type { Registry } from '../registry.ts'
import { elementsOf, type TensorSpec } from '../tensors/tensor.ts'
import { createEvaluator, type MeasuredSuite } from './evaluate.ts'
import { IGNORED_TARGET, type TextItem } from './suite.ts'

/** Two computations by which a device is judged against the CPU: is it right, and is it fast. */
export interface DeviceTrial {
  /**
   * Evaluates a small made-up decoder, in the way in which variants are evaluated: the losses of single
   * tokens that see more than 32 others, where fused attention has been wrong on WebGPU.
   */
  losses(): Promise<readonly number[]>
  /** One product of two 768 × 768 matrices, from the kernels' memory and back. */
  product(): Promise<void>
  close(): Promise<void>
}

/** How far a right device may be from the CPU, in nats; seen are 10⁻⁶ and less. */
export const MOST_DIFFERENCE = 1e-4

/** One matrix product: large enough that starting it is no large part of it. */
const PRODUCT_SIZE = 768

const TOKENS = 48
const ITEMS = 4

const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 64,
  max_position_embeddings: TOKENS,
  rms_norm_eps: 1e-5,
  hidden_act: 'silu',
}

export function openDeviceTrial({
  kernels,
  runtime,
  architectures,
}: {
  readonly kernels: Kernels
  readonly runtime: Runtime
  readonly architectures: Registry<Architecture>
}): DeviceTrial {
  const model = readModel(architectures, config)
  const evaluator = createEvaluator({ kernels, runtime })
  const size = [PRODUCT_SIZE, PRODUCT_SIZE] as const
  const bytes = 4 * elementsOf(size)
  const buffers = allocateBuffers(kernels, [bytes, bytes, bytes])
  const [a, b, result] = buffers.regions.map((region) => {
    region.f32.fill(0.5)
    return { region, type: 'float32', dims: size } as const
  })
  const product = runtime.session(productModel(size))
  product.catch(() => {}) // who asks for a product is told

  return {
    async losses() {
      const losses: number[] = []
      for await (const measured of evaluator.measure(model, madeUpSuite(), [
        madeUpWeights(model),
      ])) {
        losses.push(...measured.losses)
      }
      return losses
    },
    async product() {
      await (await product).run({ a: a!, b: b! }, { [RESULT]: result! })
    },
    async close() {
      await evaluator.close()
      await product.then((session) => session.release()).catch(() => {})
      buffers[Symbol.dispose]()
    },
  }
}

function productModel(shape: readonly number[]): Uint8Array {
  const emitter = createEmitter()
  const value = (name: string) => ({ name, type: 'float32', shape }) as const
  const from = emitter.node('MatMul', ['a', 'b'])
  return emitter.finish('product', [value('a'), value('b')], [{ value: value(RESULT), from }])
}

/** Uniform weights, as large as keeps activations near 1 and losses far from those of a coin. */
function madeUpWeights(model: Model): Weights {
  const tensors = new Map<string, TensorSpec>()
  for (const { program, weights } of model.parts(1, 1)) {
    for (const { name, shape } of program.weights) {
      const tensor = weights.get(name)!
      tensors.set(tensor, { name: tensor, dtype: 'F32', shape })
    }
  }
  return {
    tensors,
    load(name, out) {
      const { shape } = tensors.get(name)!
      const { word } = createRandom('device trial', name)
      const width = 4 / Math.sqrt(shape.at(-1)!)
      for (let i = 0; i < elementsOf(shape); i++) {
        out.f32[i] = shape.length === 1 ? 1 : (word() / 2 ** 32 - 0.5) * width
      }
      return Promise.resolve()
    },
  }
}

/** Items of random tokens with one target each, which is a late one. */
function madeUpSuite(): MeasuredSuite {
  const { below } = createRandom('device trial', 'items')
  const items = Array.from({ length: ITEMS }, (_, item): TextItem => {
    const ids = Int32Array.from({ length: TOKENS }, () => below(config.vocab_size))
    const targets = new Int32Array(TOKENS).fill(IGNORED_TARGET)
    const last = TOKENS - 1 - item
    targets[last] = below(config.vocab_size)
    return { task: 0, ids: new Uint8Array(ids.buffer), targets: new Uint8Array(targets.buffer) }
  })
  return {
    root: {
      version: 1,
      kind: 'suite',
      name: 'device trial',
      modality: 'language',
      metric: 'loss',
      tasks: [{ name: 'device trial' }],
      items: ITEMS,
      targets: ITEMS,
      shards: [],
      licence: 'none',
    },
    shards: [{ index: 0, items }],
  }
}
