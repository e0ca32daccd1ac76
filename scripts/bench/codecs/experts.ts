import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  castCheckpoint,
  type Checkpoint,
  cidOfValue,
  compareCheckpoints,
  createCodecChooser,
  deltaTensor,
  elementsOf,
  inScope,
  type loadOperators,
  openDeltas,
  openFolder,
  planRecipe,
  recipeOf,
  type TensorSpec,
} from '../../../src/index.ts'
import { bytesOf } from '../../../src/tensors/tensor.ts'
import type { ChangedTensor } from './changed-tensor.ts'
import type { Edit } from './settings.ts'
import { type Context, encode } from './stored-tensor.ts'

/** A fine-tune, its base and what it was trained for, as paths. */
export interface ExpertPaths {
  readonly name: string
  readonly about: string
  readonly base: string
  readonly post: string
  readonly task: string
}

/** Those in the repository, and those beside it where they are. */
export function findExperts(): readonly ExpertPaths[] {
  const root = fileURLToPath(new URL('../../../', import.meta.url))
  const inRoot = (folder: string, about: string, name: string, task: string, base = folder) => ({
    name,
    about,
    base: join(root, base, 'base'),
    post: join(root, folder, name),
    task: join(root, base, 'eval', `${task}.safetensors`),
  })
  const [demo, vit] = ['node/demo/data', '../shared/data/vit-tiny']
  const [tests, llama] = ['test/data/llama', '../shared/data/llama-tiny']
  const [image, text] = ['vision transformer', 'language model']
  return [
    inRoot(demo, `${image}, little trained`, 'kana-light', 'kana'),
    inRoot(vit, image, 'kana', 'kana'),
    inRoot(llama, `${text}, little trained`, 'de-light', 'de'),
    inRoot(tests, text, 'de', 'de'),
    inRoot(llama, `${text}, trained long`, 'math-heavy', 'math'),
  ].filter(({ base, post, task }) => [base, post, task].every((path) => existsSync(path)))
}

/** A fine-tune whose weights were rounded to one dtype. */
export interface Expert {
  readonly base: Checkpoint
  readonly post: Checkpoint
  /** The changed matrices inside the layers, which codecs with a loss act on. */
  readonly matrices: readonly ChangedTensor[]
  /** All other changed tensors: their elements, and their bytes as `raw`. */
  readonly rest: { readonly elements: number; readonly bytes: number }
}

export async function withExpert<T>(
  paths: { readonly base: string; readonly post: string },
  dtype: 'BF16' | 'F32',
  context: Context,
  work: (expert: Expert) => Promise<T>,
): Promise<T> {
  const folders = await Promise.all([openFolder(paths.base), openFolder(paths.post)])
  try {
    const [base, post] = folders.map(({ checkpoint }) =>
      castCheckpoint(checkpoint, dtype, context.kernels),
    ) as [Checkpoint, Checkpoint]
    return await work(await openExpert(base, post, context))
  } finally {
    await Promise.all(folders.map((folder) => folder.close()))
  }
}

export async function openExpert(
  base: Checkpoint,
  post: Checkpoint,
  context: Context,
): Promise<Expert> {
  const { changed } = await compareCheckpoints(base, post)
  const matrices: ChangedTensor[] = []
  const rest = { elements: 0, bytes: 0 }
  const raw = createCodecChooser({ codec: 'raw', parameters: {} }, context)
  for (const spec of changed) {
    const tensor = await readChanged(base, post, spec, context)
    if (inScope('matrices', spec)) matrices.push(tensor)
    else {
      rest.elements += elementsOf(spec.shape)
      rest.bytes += (await encode(tensor, raw, context)).tensor.bytes
    }
  }
  return { base, post, matrices, rest }
}

/** The matrices after an edit. */
export async function editMatrices(
  { base, post, matrices }: Expert,
  { operator, parameters }: Edit,
  context: Context & { readonly operators: Awaited<ReturnType<typeof loadOperators>> },
): Promise<readonly ChangedTensor[]> {
  const [ofBase, ofPost] = [cidOfValue('base'), cidOfValue('post')]
  const root = { operator, parameters, scope: 'matrices', inputs: [{ weights: ofPost }] }
  const sources = {
    weights: (id: typeof ofBase) => Promise.resolve(id.equals(ofBase) ? base : post),
    delta: () => Promise.reject(new Error('there are no deltas')),
  }
  const plan = await planRecipe(recipeOf({ base: ofBase, root }, context), sources, context)
  const deltas = await openDeltas(plan)
  const edited: ChangedTensor[] = []
  for (const matrix of matrices) {
    const delta = new Float32Array(matrix.delta.length)
    for await (const chunk of deltas.tensor(matrix.spec.name).chunks()) {
      delta.set(chunk.delta.f32.subarray(0, chunk.count), chunk.from)
    }
    edited.push({ ...matrix, delta })
  }
  return edited
}

async function readChanged(
  base: Checkpoint,
  post: Checkpoint,
  spec: TensorSpec,
  { kernels }: Context,
): Promise<ChangedTensor> {
  const [from, to] = [new Uint8Array(bytesOf(spec)), new Uint8Array(bytesOf(spec))]
  await Promise.all([base.read(spec.name, 0, from), post.read(spec.name, 0, to)])
  const delta = new Float32Array(elementsOf(spec.shape))
  for await (const chunk of deltaTensor(base, post, spec, kernels).chunks()) {
    delta.set(chunk.delta.f32.subarray(0, chunk.count), chunk.from)
  }
  return { spec, base: from, post: to, delta }
}
