import type { Weights } from '../checkpoints/weights.ts'
import { endAll } from '../compute/end-all.ts'
import type { Kernels, Region } from '../compute/kernels.ts'
import type { DeviceTensor, TensorView } from '../compute/onnxruntime.ts'
import { createDeviceScope, type DeviceScope } from '../graphs/device-scope.ts'
import type { DeviceMemory } from '../graphs/device-memory.ts'
import type { Value } from '../graphs/primitive.ts'
import { RESULT } from '../graphs/program.ts'
import { HIDDEN, type Part } from '../models/index.ts'
import { elementsOf } from '../tensors/tensor.ts'
import type { Batch, PreparedShard } from './batches.ts'
import type { ProgramSessions } from './sessions.ts'

export interface LayerPass {
  readonly kernels: Kernels
  readonly sessions: ProgramSessions
  /** Where weights are brought; on the CPU they are where they are needed. */
  readonly device: DeviceMemory | undefined
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
    await memory.close()
  }
}

/** The head's results, by variant and batch. */
async function runParts(pass: LayerPass, memory: Scope): Promise<TensorView[][]> {
  const { variants, batches } = pass
  const parts = batches[0]?.parts ?? []
  const steps: readonly Step[] = parts.flatMap((part, depth) =>
    variants.map((weights, variant) => ({ part, depth, weights, variant })),
  )
  const states: TensorView[][] = variants.map(() => [])
  const device = pass.device && createDeviceScope(pass.device)
  let loading = load(0)
  try {
    for (const [at, { depth, variant }] of steps.entries()) {
      const weights = await loading
      loading = load(at + 1)
      for (const [i, batch] of batches.entries()) {
        const state = states[variant]![i]
        states[variant]![i] = await runBatch(pass, memory, batch, depth, weights, state)
      }
      for (const weight of weights.values()) await memory.release(weight)
    }
    return states
  } finally {
    await loading.catch(() => {}) // the memory it fills is about to be released
    await device?.forget()
  }

  function load(at: number): Promise<BoundWeights> {
    const step = steps[at]
    const bound = step === undefined ? noWeights : loadStep(step)
    bound.catch(() => {}) // it is awaited when its turn comes
    return bound
  }

  async function loadStep({ part, weights, variant }: Step): Promise<BoundWeights> {
    // What variants share belongs to a part; all before it are loaded by now.
    if (variant === 0) await device?.forget()
    return loadPart(device, memory, part, weights)
  }
}

/** One part of one variant. */
interface Step {
  readonly part: Part
  readonly depth: number
  readonly weights: Weights
  readonly variant: number
}

/** A part's weights by their names in its program. */
type BoundWeights = ReadonlyMap<string, TensorView | DeviceTensor>

const noWeights = Promise.resolve<BoundWeights>(new Map())

async function loadPart(
  device: DeviceScope | undefined,
  memory: Scope,
  part: Part,
  weights: Weights,
): Promise<BoundWeights> {
  const bound = new Map<string, TensorView | DeviceTensor>()
  for (const weight of part.program.weights) {
    const name = part.weights.get(weight.name)!
    const made = device && (await weights.loadOn?.(device, name))
    if (made !== undefined) {
      bound.set(weight.name, memory.adopt(made))
      continue
    }
    const view = memory.take(weight)
    bound.set(weight.name, view)
    await weights.load(name, view.region)
    if (device === undefined) continue
    bound.set(weight.name, memory.adopt(await device.upload(view)))
    await memory.release(view)
  }
  return bound
}

/** Runs one part on one batch; `state` is what the part before it gave, and is released. */
async function runBatch(
  pass: LayerPass,
  memory: Scope,
  batch: Batch,
  depth: number,
  weights: BoundWeights,
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
  for (const [, view] of inputs) await memory.release(view)
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

/** Regions and device tensors that end with the scope unless they are released before. */
interface Scope {
  take(value: Value): TensorView
  adopt(tensor: DeviceTensor): DeviceTensor
  release(tensor: TensorView | DeviceTensor): Promise<void>
  close(): Promise<void>
}

function createScope(kernels: Kernels): Scope {
  const live = new Set<TensorView | DeviceTensor>()
  const release = async (tensor: TensorView | DeviceTensor): Promise<void> => {
    live.delete(tensor)
    if ('region' in tensor) kernels.release(tensor.region)
    else await tensor.release()
  }
  return {
    take({ type, shape }) {
      const view = { region: kernels.allocate(4 * elementsOf(shape)), type, dims: shape }
      live.add(view)
      return view
    },
    adopt(tensor) {
      live.add(tensor)
      return tensor
    },
    release,
    close: () => endAll([...live].map((tensor) => () => release(tensor))),
  }
}
