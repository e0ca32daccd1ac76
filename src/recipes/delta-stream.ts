import type { DeltaReader } from '../codecs/index.ts'
import type { Region } from '../compute/kernels.ts'
import { sliceRegion } from '../compute/slice-region.ts'
import type { ChunkMap } from '../operators/index.ts'
import type { Fold } from '../operators/statistics/statistic.ts'
import type { Lease } from '../compute/lease.ts'
import type { DeltaStep, OperatorStep, PlanNode, WeightsStep } from './plan-node.ts'
import { readAhead } from '../checkpoints/read-ahead.ts'
import type { TensorJob } from './tensor-job.ts'

/**
 * Puts elements `from … from+count` of a node's delta into `out`. Chunks are asked for in order; 0
 * starts again from the beginning. Buffers belong to the job's lease.
 */
export type DeltaStream = (out: Region, from: number, count: number) => Promise<void>

/** Opens what `nodeAt` gave for the job's tensor, and gathers statistics of scope `tensor`. */
export async function openStream(node: PlanNode, job: TensorJob): Promise<DeltaStream> {
  switch (node.kind) {
    case 'zero':
      return (out, _from, count) => Promise.resolve(void out.f32.fill(0, 0, count))
    case 'delta':
      return openDelta(node, job)
    case 'weights':
      return openWeights(node, job)
    case 'operator':
      return node.operator.whole === true ? openWhole(node, job) : openOperator(node, job)
  }
}

/** An operator's inputs side by side. */
export interface Inputs {
  readonly regions: readonly Region[]
  /** Fills the regions, unless they hold this range already. */
  fill(from: number, count: number): Promise<void>
}

export async function openInputs(node: OperatorStep, job: TensorJob): Promise<Inputs> {
  const streams: DeltaStream[] = []
  for (const input of node.inputs) streams.push(await openStream(input, job))
  const regions = streams.map(() => job.lease.take(job.chunk * 4))
  let held = -1
  return {
    regions,
    async fill(from, count) {
      if (held === from) return
      held = -1
      await settle(streams.map((stream, i) => stream(regions[i]!, from, count)))
      held = from
    },
  }
}

/** The chunks of `elements` that an operator asks for besides inputs and output. */
export function takeScratch(node: OperatorStep, lease: Lease, elements: number): Region[] {
  return Array.from({ length: node.scratch }, () => lease.take(elements * 4))
}

/** A region for each input, if the operator's statistic asks for them. */
export function takeTables({ statistic, inputs }: OperatorStep, lease: Lease): Region[] {
  const { table } = statistic!
  return table === undefined ? [] : inputs.map(() => lease.take(table))
}

/** Shows one pass over the job's tensor to a fold. */
export async function scanPass(
  fold: Fold<unknown>,
  pass: number,
  inputs: Inputs,
  job: TensorJob,
): Promise<void> {
  for (const { from, count } of job.chunks()) {
    await inputs.fill(from, count)
    fold.scan(pass, job.spec.name, inputs.regions, from, count)
  }
}

/** Opens a delta's tensor at its beginning; the reader is closed with the job. */
export function openReader({ source }: DeltaStep, job: TensorJob): Promise<DeltaReader> {
  const { codecs, kernels } = job.plan.context
  const tensor = source.tensors.get(job.spec.name)!
  return codecs.get(tensor.codec).open(tensor, source.sections(job.spec.name), { kernels })
}

function openDelta(node: DeltaStep, job: TensorJob): DeltaStream {
  const { codecs } = job.plan.context
  const { exact } = codecs.get(node.source.tensors.get(job.spec.name)!.codec)
  let reader: DeltaReader | undefined
  const close = (): void => {
    reader?.close()
    reader = undefined
  }
  job.lease.defer(close)
  return async (out, from, count) => {
    if (from === 0) {
      close()
      reader = await openReader(node, job)
    }
    // Only an exact codec looks at the base, so nothing is read for the others.
    await reader!.read(out, count, exact ? await job.base(from, count) : out)
  }
}

function openWeights({ checkpoint }: WeightsStep, job: TensorJob): DeltaStream {
  const { dtype, spec, lease, chunk } = job
  const { kernels } = job.plan.context
  const read = readAhead(checkpoint, spec, chunk, lease)
  return async (out, from, count) => {
    const [post, base] = await Promise.all([read(from, count), job.base(from, count)])
    kernels.difference(dtype, post, base, out, count)
  }
}

async function openOperator(node: OperatorStep, job: TensorJob): Promise<DeltaStream> {
  const { inputs, context } = await prepareOperator(node, job)
  let map: ChunkMap
  return async (out, from, count) => {
    if (from === 0) map = node.operator.open(context)
    await inputs.fill(from, count)
    await map(inputs.regions, out, from, count)
  }
}

/** An operator's inputs and what it may look at, its statistic among it. */
export async function prepareOperator(
  node: OperatorStep,
  job: TensorJob,
): Promise<{ readonly inputs: Inputs; readonly context: OperatorContext }> {
  const inputs = await openInputs(node, job)
  const scratch = takeScratch(node, job.lease, job.chunk)
  const statistic = await gather(node, inputs, scratch, job)
  return { inputs, context: contextOf(node, scratch, statistic, job) }
}

type OperatorContext = Parameters<OperatorStep['operator']['open']>[0]

/** Maps the tensor in one chunk as it is opened, and hands out pieces of the result. */
async function openWhole(node: OperatorStep, job: TensorJob): Promise<DeltaStream> {
  const { elements, lease } = job
  const take = (): Region => lease.take(elements * 4)
  const result = take()
  const regions: Region[] = []
  for (const input of node.inputs) {
    const stream = await openStream(input, job)
    const region = take()
    for (const { from, count } of job.chunks()) {
      await stream(sliceRegion(region, from * 4, count * 4), from, count)
    }
    regions.push(region)
  }
  const scratch = takeScratch(node, lease, elements)
  const inputs = { regions, fill: () => Promise.resolve() }
  const oneChunk = { ...job, chunks: () => [{ from: 0, count: elements }] }
  const statistic = await gather(node, inputs, scratch, oneChunk)
  await node.operator.open(contextOf(node, scratch, statistic, job))(regions, result, 0, elements)
  return (out, from, count) => Promise.resolve(out.f32.set(result.f32.subarray(from, from + count)))
}

async function gather(
  node: OperatorStep,
  inputs: Inputs,
  scratch: readonly Region[],
  job: TensorJob,
): Promise<unknown> {
  const { statistic } = node
  if (statistic === undefined) return undefined
  if (statistic.scope === 'all') return job.findings.get(node.index)
  const fold = statistic.start({
    kernels: job.plan.context.kernels,
    inputs: node.inputs.length,
    elements: job.elements,
    scratch,
    tables: takeTables(node, job.lease),
  })
  for (let pass = 0; pass < statistic.passes; pass++) {
    await scanPass(fold, pass, inputs, job)
    fold.endPass(pass)
  }
  return fold.value()
}

function contextOf(
  { mode, parameters, inputs }: OperatorStep,
  scratch: readonly Region[],
  statistic: unknown,
  { plan: { context }, spec }: TensorJob,
): OperatorContext {
  const { kernels, codecs } = context
  return {
    kernels,
    codecs,
    mode,
    parameters: parameters as never,
    spec,
    inputs: inputs.length,
    statistic,
    scratch,
  }
}

/** Waits for all, also when one fails: none may write into a region that has been given back. */
async function settle(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected') throw result.reason
  }
}
