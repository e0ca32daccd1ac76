import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  castCheckpoint,
  type Checkpoint,
  compareCheckpoints,
  deltaTensor,
  encodeTensor,
  loadCodecs,
  openFolder,
  openKernels,
} from '../../src/index.ts'
import { bytesOf, elementsOf, type TensorSpec } from '../../src/tensors/tensor.ts'
import { createConditionalEntropy } from './conditional-entropy.ts'
import type { Bench, BenchOptions, Figure } from './figure.ts'
import { fineTunePair, type PairRequest } from './fine-tune-pairs.ts'

/** What `raw` stores against the entropy of a difference given the exponent of its base. */
export interface RawSize {
  readonly elements: number
  readonly bytes: number
  readonly entropyBits: number
}

/** "Within 3 %". */
const TARGET = 1.03

const models = [
  ['kana-light', 'node/demo/data/base', 'node/demo/data/kana-light'],
  ['kana', '../shared/data/vit-tiny/base', '../shared/data/vit-tiny/kana'],
  ['de-light', '../shared/data/llama-tiny/base', '../shared/data/llama-tiny/de-light'],
  ['de', '../shared/data/llama-tiny/base', '../shared/data/llama-tiny/de'],
] as const

export async function run({ quick }: BenchOptions): Promise<Bench> {
  const figures: Figure[] = []
  const elements = quick ? 2 ** 17 : 2 ** 22
  for (const kind of ['dense', 'sparse', 'low-rank'] as const) {
    const size = await rawSizeOfPair({ elements, kind, dtype: 'BF16', seed: 1 })
    figures.push(sizeFigure(`${kind} changes, made up`, size))
  }
  for (const [name, ...folders] of models) {
    const [base, post] = folders.map((path) =>
      fileURLToPath(new URL(`../../${path}`, import.meta.url)),
    ) as [string, string]
    if (!existsSync(base)) continue
    figures.push(sizeFigure(`fine-tune ${name}`, await rawSizeOfFolders(base, post, 'BF16')))
  }
  return {
    note:
      'Bits per weight that the raw codec stores in bf16, tables and lengths among them. The ' +
      'baseline, in the JSON file, is the entropy of the difference of bit patterns given the ' +
      'exponent of the base, over a whole model; the target is 1.03 times that. Made-up tensors ' +
      `have ${elements} elements, the trained models 0.5 and 1 million in small tensors.`,
    figures,
  }
}

/** A made-up tensor, in BF16. */
export async function rawSizeOfPair(request: PairRequest & { dtype: 'BF16' }): Promise<RawSize> {
  const { spec, base, post } = fineTunePair(request)
  return rawSize(inMemory(spec, base), inMemory(spec, post), 'BF16')
}

/** All tensors that differ between two model folders, rounded to the dtype. */
export async function rawSizeOfFolders(
  base: string,
  post: string,
  dtype: 'BF16' | 'F16',
): Promise<RawSize> {
  const folders = await Promise.all([openFolder(base), openFolder(post)])
  try {
    return await rawSize(folders[0]!.checkpoint, folders[1]!.checkpoint, dtype)
  } finally {
    await Promise.all(folders.map((folder) => folder.close()))
  }
}

async function rawSize(
  given: Checkpoint,
  tuned: Checkpoint,
  dtype: 'BF16' | 'F16',
): Promise<RawSize> {
  const context = { codecs: await loadCodecs(), kernels: openKernels() }
  const base = castCheckpoint(given, dtype, context.kernels)
  const post = castCheckpoint(tuned, dtype, context.kernels)
  const entropy = createConditionalEntropy()
  let [elements, bytes] = [0, 0]
  const { changed } = await compareCheckpoints(base, post)
  for (const spec of changed) {
    const [from, to] = [new Uint8Array(bytesOf(spec)), new Uint8Array(bytesOf(spec))]
    await Promise.all([base.read(spec.name, 0, from), post.read(spec.name, 0, to)])
    entropy.add(dtype, from, to)
    elements += elementsOf(spec.shape)
    const tensor = deltaTensor(base, post, spec, context.kernels)
    const count = async (_section: string, { length }: Uint8Array) => void (bytes += length)
    await encodeTensor(tensor, { codec: 'raw', parameters: {} }, count, context)
  }
  return { elements, bytes, entropyBits: entropy.bits() }
}

function inMemory(spec: TensorSpec, bytes: Uint8Array): Checkpoint {
  return {
    tensors: new Map([[spec.name, spec]]),
    read: async (_name, offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
  }
}

function sizeFigure(what: string, { elements, bytes, entropyBits }: RawSize): Figure {
  const [stored, entropy] = [(8 * bytes) / elements, entropyBits / elements]
  return {
    what: `raw, ${what}`,
    value: stored,
    unit: 'bits',
    target: { is: 'at most', value: TARGET * entropy },
    samples: [stored],
    baselineSamples: [entropy],
    sampleUnit: 'bits per weight',
  }
}
