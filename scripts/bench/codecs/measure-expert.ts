import {
  type Checkpoint,
  cosine,
  createCodecChooser,
  type loadOperators,
  relativeChange,
  sumRelations,
} from '../../../src/index.ts'
import type { Relation } from '../../../src/recipes/comparison/relation.ts'
import { checkParameters } from '../../../src/parameters.ts'
import type { ChangedTensor } from './changed-tensor.ts'
import { edits } from './edits.ts'
import { createEntropyBound } from './entropy-bound.ts'
import { editMatrices, type Expert, type ExpertPaths, withExpert } from './experts.ts'
import { type Evaluation, type LossChange, measureOwnTask, type OwnTask } from './own-task.ts'
import { type Edit, type Setting, settings } from './settings.ts'
import { appliedTo, type Context, decodedDelta, encode } from './stored-tensor.ts'

export interface ExpertReport extends Omit<OwnTask, 'changes'> {
  readonly name: string
  readonly about: string
  /** Changed elements of the matrices inside the layers, and of the whole model. */
  readonly matrixElements: number
  readonly elements: number
  readonly codecs: readonly CodecRow[]
  readonly edits: readonly EditRow[]
}

/** The matrices of one expert in the bytes of one codec. */
export interface CodecRow extends Measured {
  readonly bytes: number
  /** With everything else as `raw`. */
  readonly wholeBytes: number
  readonly entropyBits: number
}

/** One edit of the matrices of one expert. */
export interface EditRow extends Measured {
  /** E‖Δ̂ − Δ‖² ÷ ‖Δ‖² by formula, where there is one. */
  readonly intensity: number | undefined
  readonly cosine: number
}

interface Measured {
  readonly name: string
  /** ‖Δ̂ − Δ‖ ÷ ‖Δ‖ over the matrices, Δ the delta before any edit. */
  readonly error: number
  /** In nats per target against the expert. */
  readonly change: LossChange
}

export type BenchContext = Context & {
  readonly operators: Awaited<ReturnType<typeof loadOperators>>
}

/** Stores and edits an expert in BF16 in every way, and measures the losses of all together. */
export async function measureExpert(
  paths: ExpertPaths,
  evaluation: Evaluation,
  context: BenchContext,
): Promise<ExpertReport> {
  return withExpert(paths, 'BF16', context, async (expert) => {
    const stored = []
    for (const setting of settings) stored.push(await storeMatrices(expert, setting, context))
    const edited = []
    for (const edit of edits) edited.push(await applyEdit(expert, edit, context))
    const variants = [...stored, ...edited].map(({ variant }) => variant)
    const config = { config: `${paths.base}/config.json`, task: paths.task }
    const { base, post, matrices, rest } = expert
    const measured = await measureOwnTask(evaluation, config, base, post, variants)
    const { changes, ...losses } = measured
    const matrixElements = countElements(matrices)
    return {
      name: paths.name,
      about: paths.about,
      ...losses,
      matrixElements,
      elements: matrixElements + rest.elements,
      codecs: stored.map(({ row }, i) => ({ ...row, change: changes[i]! })),
      edits: edited.map(({ row }, i) => ({ ...row, change: changes[stored.length + i]! })),
    }
  })
}

export interface SizeInF32 {
  readonly name: string
  readonly bitsPerWeight: number
}

/** What the matrices of an expert take in F32, by the main codecs. */
export async function sizeInF32(
  paths: ExpertPaths,
  context: BenchContext,
): Promise<readonly SizeInF32[]> {
  return withExpert(paths, 'F32', context, async (expert) => {
    const sizes: SizeInF32[] = []
    for (const setting of settings.filter(({ name }) => IN_F32.has(name))) {
      const { bytes } = await encodeMatrices(expert, setting, context)
      const bitsPerWeight = (8 * bytes) / countElements(expert.matrices)
      sizes.push({ name: setting.name, bitsPerWeight })
    }
    return sizes
  })
}

const IN_F32: ReadonlySet<string> = new Set([
  'raw',
  'sparse after dare=p:0.9',
  'bitdelta=scales:matrix',
  'blocks=blocks:4,split:lloyd',
  'ternary=density:0.2,magnitude:mean',
  'integer=bits:4,scheme:symmetric',
  'low-rank=rank:16',
  'auto=error:0.1',
])

function countElements(matrices: readonly ChangedTensor[]): number {
  return matrices.reduce((sum, { delta }) => sum + delta.length, 0)
}

async function encodeMatrices(
  expert: Expert,
  { codec, parameters, edit }: Setting,
  context: BenchContext,
) {
  const matrices = edit ? await editMatrices(expert, edit, context) : expert.matrices
  const choice = { codec, parameters: parameters as never, scope: 'matrices' }
  const choose = createCodecChooser(choice, context)
  const encoded = []
  let bytes = 0
  for (const matrix of matrices) {
    const one = await encode(matrix, choose, context)
    bytes += one.tensor.bytes
    encoded.push({ matrix, one })
  }
  return { bytes, encoded }
}

async function storeMatrices(expert: Expert, setting: Setting, context: BenchContext) {
  const { bytes, encoded } = await encodeMatrices(expert, setting, context)
  const bound = createEntropyBound(context.kernels)
  const relations: Relation[] = []
  const weights = new Map<string, Uint8Array>()
  for (const [i, { matrix, one }] of encoded.entries()) {
    const decoded = await decodedDelta(one, matrix, context)
    await bound.add(one, matrix, decoded)
    relations.push(relationOf(expert.matrices[i]!.delta, decoded))
    const { exact } = context.codecs.get(one.tensor.codec)
    weights.set(matrix.spec.name, exact ? matrix.post : appliedTo(matrix, decoded, context))
  }
  const row = {
    name: setting.name,
    bytes,
    wholeBytes: bytes + expert.rest.bytes,
    entropyBits: bound.bits(),
    error: relativeChange(sumRelations(relations))!,
  }
  return { row, variant: withWeights(expert.post, weights) }
}

async function applyEdit(
  expert: Expert,
  edit: Edit & { readonly name: string },
  context: BenchContext,
) {
  const matrices = await editMatrices(expert, edit, context)
  const relations = matrices.map(({ delta }, i) => relationOf(expert.matrices[i]!.delta, delta))
  const weights = matrices.map(
    (matrix) => [matrix.spec.name, appliedTo(matrix, matrix.delta, context)] as const,
  )
  const relation = sumRelations(relations)
  const operator = context.operators.get(edit.operator)
  const table = operator.parametersFor?.(edit.parameters, context.codecs) ?? operator.parameters
  const parameters = checkParameters(edit.operator, table, edit.parameters)
  const row = {
    name: edit.name,
    intensity: operator.intensity?.(parameters as never, 'paper'),
    error: relativeChange(relation)!,
    cosine: cosine(relation)!,
  }
  return { row, variant: withWeights(expert.post, new Map(weights)) }
}

function relationOf(a: Float32Array, b: Float32Array): Relation {
  const sum = { squaresA: 0, squaresB: 0, squaredDifference: 0, product: 0 }
  for (const [i, x] of a.entries()) {
    const y = b[i]!
    sum.squaresA += x * x
    sum.squaresB += y * y
    sum.squaredDifference += (y - x) ** 2
    sum.product += x * y
  }
  return { elements: a.length, ...sum }
}

/** A checkpoint with some tensors' bytes in place of its own. */
function withWeights(checkpoint: Checkpoint, weights: ReadonlyMap<string, Uint8Array>): Checkpoint {
  return {
    tensors: checkpoint.tensors,
    async read(name, offset, into) {
      const bytes = weights.get(name)
      if (bytes === undefined) await checkpoint.read(name, offset, into)
      else into.set(bytes.subarray(offset, offset + into.length))
    },
  }
}
