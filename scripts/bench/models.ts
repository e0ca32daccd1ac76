import { join } from 'node:path'
import { openKernels, writeFolder } from '../../src/index.ts'
import { elementsOf, type TensorSpec } from '../../src/tensors/tensor.ts'
import { keyOf } from '../../src/random.ts'

/**
 * Made-up models of LLaMA's layout in bf16: a base and fine-tunes whose weights moved by a few
 * representable steps. Normal numbers from a pool that every tensor enters at a place of its own, so
 * that 200 million take a second; the same names and size give the same bytes.
 */

/** 207 million parameters, or 21 million. */
export function llamaSpecs(quick: boolean): readonly TensorSpec[] {
  const { hidden, inner, layers, vocabulary } = quick
    ? { hidden: 384, inner: 1024, layers: 5, vocabulary: 16_000 }
    : { hidden: 1024, inner: 2816, layers: 11, vocabulary: 32_000 }
  const spec = (name: string, ...shape: number[]): TensorSpec => ({ name, dtype: 'BF16', shape })
  const layer = (i: number): TensorSpec[] => [
    ...['q', 'k', 'v', 'o'].map((each) =>
      spec(`model.layers.${i}.self_attn.${each}_proj.weight`, hidden, hidden),
    ),
    spec(`model.layers.${i}.mlp.gate_proj.weight`, inner, hidden),
    spec(`model.layers.${i}.mlp.up_proj.weight`, inner, hidden),
    spec(`model.layers.${i}.mlp.down_proj.weight`, hidden, inner),
    spec(`model.layers.${i}.input_layernorm.weight`, hidden),
    spec(`model.layers.${i}.post_attention_layernorm.weight`, hidden),
  ]
  return [
    spec('model.embed_tokens.weight', vocabulary, hidden),
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    spec('model.norm.weight', hidden),
    spec('lm_head.weight', vocabulary, hidden),
  ]
}

export function parametersOf(specs: readonly TensorSpec[]): number {
  return specs.reduce((sum, { shape }) => sum + elementsOf(shape), 0)
}

/** Writes `base` and the named fine-tunes of it into a folder; gives their paths in that order. */
export async function writeModels(
  folder: string,
  specs: readonly TensorSpec[],
  fineTunes: readonly string[],
): Promise<readonly string[]> {
  const kernels = openKernels()
  const values = kernels.allocate(PIECE * 4)
  const change = kernels.allocate(PIECE * 4)
  const bytes = kernels.allocate(PIECE * 2)
  const pool = createPool()
  const from = (model: string, tensor: string, at: number): Float32Array => {
    const start = (keyOf(model, tensor)[0] + at) % (POOL - PIECE)
    return pool.subarray(start, start + PIECE)
  }
  const write = async (model: string): Promise<string> => {
    const path = join(folder, model)
    await writeFolder(path, {
      tensors: specs,
      config: new Map([['model_type', 'llama']]),
      async *chunks(name) {
        const elements = elementsOf(specs.find((spec) => spec.name === name)!.shape)
        for (let at = 0; at < elements; at += PIECE) {
          const count = Math.min(PIECE, elements - at)
          change.f32.set(from('base', name, at))
          kernels.scale(change, values, count, WEIGHT_SD)
          if (model !== 'base') {
            change.f32.set(from(model, name, at))
            kernels.addScaled(change, values, count, CHANGE_SD)
          }
          kernels.narrow('BF16', values, bytes, count)
          yield bytes.u8.subarray(0, count * 2)
        }
      },
    })
    return path
  }
  const paths: string[] = []
  for (const model of ['base', ...fineTunes]) paths.push(await write(model))
  return paths
}

/** Of a trained model's matrices, and of what instruction tuning adds to them. */
const WEIGHT_SD = 0.02
const CHANGE_SD = 4e-4

const PIECE = 65_536

/** Not a multiple of a piece, so that the pool is entered at ever new places. */
const POOL = 3_000_017

/** Normal by the sum of four uniforms of a xorshift generator, with standard deviation 1. */
function createPool(): Float32Array {
  let state = 0x9e3779b9
  const uniform = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  const scale = Math.sqrt(3)
  return Float32Array.from(
    { length: POOL },
    () => (uniform() + uniform() + uniform() + uniform() - 2) * scale,
  )
}
