import { type Checkpoint, createCodecChooser, type TensorSpec } from '../../../src/index.ts'
import { fineTunePair } from '../fine-tune-pairs.ts'
import { createEntropyBound } from './entropy-bound.ts'
import { editMatrices, openExpert } from './experts.ts'
import type { BenchContext } from './measure-expert.ts'
import type { ChangedTensor } from './changed-tensor.ts'
import { type Setting, settings } from './settings.ts'
import { decode, decodedDelta, encode } from './stored-tensor.ts'

/** One codec on a made-up tensor that is large enough for sizes and speeds to settle. */
export interface MadeUpRow {
  readonly name: string
  readonly elements: number
  readonly bytes: number
  readonly entropyBits: number
  /** MB per second of one core: of the f32 delta, or of the weights in BF16 for an exact codec. */
  readonly encode: readonly number[]
  readonly decode: readonly number[]
}

/** The matrix has a name that lies inside a layer, so that edits and codecs act on it. */
const NAME = 'model.layers.0.mlp.up_proj.weight'

/** Every setting on the dense change of a matrix in BF16. */
export async function measureMadeUp(
  elements: number,
  samples: number,
  context: BenchContext,
): Promise<readonly MadeUpRow[]> {
  const pair = fineTunePair({ elements, kind: 'dense', dtype: 'BF16', seed: 1 })
  const spec = { ...pair.spec, name: NAME }
  const expert = await openExpert(inMemory(spec, pair.base), inMemory(spec, pair.post), context)
  const rows: MadeUpRow[] = []
  for (const setting of settings) {
    const matrices = setting.edit
      ? await editMatrices(expert, setting.edit, context)
      : expert.matrices
    rows.push(await measureSetting(matrices[0]!, setting, samples, context))
  }
  return rows
}

async function measureSetting(
  tensor: ChangedTensor,
  { name, codec, parameters }: Setting,
  samples: number,
  context: BenchContext,
): Promise<MadeUpRow> {
  const choose = createCodecChooser({ codec, parameters: parameters as never }, context)
  const elements = tensor.delta.length
  const bytes = context.codecs.has(codec) && context.codecs.get(codec).exact ? 2 : 4
  const megabytes = (bytes * elements) / 1e6
  const rates = { encode: [] as number[], decode: [] as number[] }
  let encoded = await encode(tensor, choose, context)
  for (let i = 0; i < samples; i++) {
    const start = cpuSeconds()
    encoded = await encode(tensor, choose, context)
    const between = cpuSeconds()
    await decode(encoded, tensor.base, context, () => {})
    rates.encode.push(megabytes / (between - start))
    rates.decode.push(megabytes / (cpuSeconds() - between))
  }
  const bound = createEntropyBound(context.kernels)
  await bound.add(encoded, tensor, await decodedDelta(encoded, tensor, context))
  return { name, elements, bytes: encoded.tensor.bytes, entropyBits: bound.bits(), ...rates }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

function inMemory(spec: TensorSpec, bytes: Uint8Array): Checkpoint {
  return {
    tensors: new Map([[spec.name, spec]]),
    read: async (_name, offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
  }
}
