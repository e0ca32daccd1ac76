import type { Weights } from '../checkpoints/weights.ts'
import type { Kernels, Region } from '../compute/kernels.ts'
import type { TensorView } from '../compute/onnxruntime.ts'
import type { Value } from '../graphs/primitive.ts'
import { RESULT } from '../graphs/program.ts'
import { HIDDEN, type Part } from '../models/index.ts'
import { elementsOf } from '../tensors/tensor.ts'
import type { Batch, PreparedShard } from './batches.ts'
import type { SessionCache } from './sessions.ts'

export interface LayerPass {
  readonly kernels: Kernels
  readonly sessions: SessionCache
  readonly variants: readonly Weights[]
  readonly shards: readonly PreparedShard[]
  readonly batches: readonly Batch[]
  /** Called before each run of a graph; it may throw to end the pass. */
  readonly beforeRun: () => void
}

export interface Measurement {
  /** Position in the list of variants. */
  readonly variant: number
  /** `index` of the shard. */
  readonly shard: number
  /** Mean negative log-likelihood of each item's targets, in nats. */
  readonly losses: Float64Array
  /** Images: 1 where the label has the largest of the competing logits. Texts: 0. */
  readonly correct: Uint8Array
}

/** How often a pass runs a graph. */
export function passRuns({ variants, batches }: Pick<LayerPass, 'variants' | 'batches'>): number {
  return batches.reduce((runs, { parts }) => runs + parts.length * variants.length, 0)
}

/**
 * Takes all batches of all variants through the model, part by part. The weights of the next part
 * load while one runs; the hidden states stay in the kernels' memory until the end.
 */
export async function runLayerPass(pass: LayerPass): Promise<Measurement[]> {
  const memory = createScope(pass.kernels)
  try {
    return measurements(pass, await runParts(pass, memory))
  } finally {
    memory.close()
  }
}

/** The head's results, by variant and batch. */
async function runParts(pass: LayerPass, memory: Scope): Promise<TensorView[][]> {
  const { variants, batches } = pass
  const parts = batches[0]?.parts ?? []
  const steps = parts.flatMap((part, depth) =>
    variants.map((weights, variant) => ({ part, depth, weights, variant })),
  )
  const states: TensorView[][] = variants.map(() => [])
  let loading = load(0)
  try {
    for (const [at, { depth, variant }] of steps.entries()) {
      const weights = await loading
      loading = load(at + 1)
      for (const [i, batch] of batches.entries()) {
        const state = states[variant]![i]
        states[variant]![i] = await runBatch(pass, memory, batch, depth, weights, state)
      }
      weights.forEach((view) => memory.release(view))
    }
    return states
  } finally {
    await loading.catch(() => {}) // the memory it fills is about to be released
  }

  function load(at: number): Promise<ReadonlyMap<string, TensorView>> {
    const step = steps[at]
    const views = step === undefined ? noWeights : loadPart(memory, step.part, step.weights)
    views.catch(() => {}) // it is awaited when its turn comes
    return views
  }
}

const noWeights = Promise.resolve<ReadonlyMap<string, TensorView>>(new Map())

async function loadPart(
  memory: Scope,
  part: Part,
  weights: Weights,
): Promise<ReadonlyMap<string, TensorView>> {
  const views = new Map<string, TensorView>()
  for (const weight of part.program.weights) {
    const view = memory.take(weight)
    views.set(weight.name, view)
    await weights.load(part.weights.get(weight.name)!, view.region)
  }
  return views
}

/** Runs one part on one batch; `state` is what the part before it gave, and is released. */
async function runBatch(
  pass: LayerPass,
  memory: Scope,
  batch: Batch,
  depth: number,
  weights: ReadonlyMap<string, TensorView>,
  state: TensorView | undefined,
): Promise<TensorView> {
  const { program } = batch.parts[depth]!
  const inputs = program.inputs.map((input): [string, TensorView] => {
    if (input.name === HIDDEN && state !== undefined) return [HIDDEN, state]
    const view = memory.take(input)
    fill(batch, input.name, view.region)
    return [input.name, view]
  })
  const result = memory.take(program.output)
  const session = await pass.sessions.get(program)
  pass.beforeRun()
  await session.run(Object.fromEntries([...inputs, ...weights]), { [RESULT]: result })
  inputs.forEach(([, view]) => memory.release(view))
  return result
}

function fill({ rows, capacity }: Batch, input: string, region: Region): void {
  for (let row = 0; row < capacity; row++) {
    rows[Math.min(row, rows.length - 1)]!.item.fill(input, row, region)
  }
}

function measurements(
  { variants, shards, batches }: LayerPass,
  results: readonly (readonly TensorView[])[],
): Measurement[] {
  const measured = shards.map(({ index, items }) =>
    variants.map((_, variant) => ({
      variant,
      shard: index,
      losses: new Float64Array(items.length),
      correct: new Uint8Array(items.length),
    })),
  )
  for (const [variant, views] of results.entries()) {
    for (const [i, { rows }] of batches.entries()) {
      for (const [row, { item, shard, place }] of rows.entries()) {
        const { loss, correct } = item.outcome(row, views[i]!.region)
        const target = measured[shard]![variant]!
        target.losses[place] = loss
        target.correct[place] = correct ? 1 : 0
      }
    }
  }
  return measured.flat()
}

/** Regions that end with the scope unless they are released before. */
interface Scope {
  take(value: Value): TensorView
  release(view: TensorView): void
  close(): void
}

function createScope(kernels: Kernels): Scope {
  const live = new Set<Region>()
  return {
    take({ type, shape }) {
      const region = kernels.allocate(4 * elementsOf(shape))
      live.add(region)
      return { region, type, dims: shape }
    },
    release({ region }) {
      live.delete(region)
      kernels.release(region)
    },
    close() {
      for (const region of live) kernels.release(region)
      live.clear()
    },
  }
}
