import { readAhead } from '../../checkpoints/read-ahead.ts'
import type { DeltaReader } from '../../codecs/index.ts'
import type { Region } from '../../compute/kernels.ts'
import type { Lease } from '../../compute/lease.ts'
import type { ChunkMap } from '../../operators/index.ts'
import { type Fold, tableBytes } from '../../operators/statistics/statistic.ts'
import { partElements } from '../plan/part-elements.ts'
import type { DeltaStep, OperatorStep, PlanNode, WeightsStep } from '../plan/plan-node.ts'
import { type DeltaStream, openWindow, type Window } from './stream-window.ts'
import type { TensorJob } from './tensor-job.ts'

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
      return openOperator(node, job)
  }
}

/** An operator's inputs side by side, in parts of its unit. */
export async function openInputs(node: OperatorStep, job: TensorJob): Promise<Window> {
  const { plan, spec, lease, elements, chunk } = job
  const most = partOf(node, job)
  // Parts that are no chunks run ahead of the rest of the tree, with a reader of the base of their own.
  const own = most === chunk ? job : { ...job, base: readAhead(plan.base, spec, chunk, lease) }
  const streams: DeltaStream[] = []
  for (const input of node.inputs) streams.push(await openStream(input, own))
  return openWindow(streams, lease, { elements, step: chunk, most })
}

/** The parts of `elements` that an operator asks for besides inputs and output. */
export function takeScratch(node: OperatorStep, lease: Lease, elements: number): Region[] {
  return Array.from({ length: node.scratch }, () => lease.take(elements * 4))
}

/** A region of `bytes` for each input, if the operator's statistic asks for them. */
export function takeTables(node: OperatorStep, lease: Lease, bytes: number): Region[] {
  return node.statistic?.table === undefined ? [] : node.inputs.map(() => lease.take(bytes))
}

/** Shows one pass over the job's tensor to a fold. */
export async function scanPass(
  fold: Fold<unknown>,
  pass: number,
  node: OperatorStep,
  inputs: Window,
  job: TensorJob,
): Promise<void> {
  for (const { from, count } of job.parts(partOf(node, job))) {
    fold.scan(pass, job.spec, await inputs.at(from, count), from, count)
  }
}

function partOf({ unit }: OperatorStep, { spec, chunk }: TensorJob): number {
  return partElements(unit, spec, chunk)
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
  const { lease, elements, chunk } = job
  const part = partOf(node, job)
  const { inputs, context } = await prepareOperator(node, job)
  let map: ChunkMap
  const mapPart: DeltaStream = async (out, from, count) => {
    if (from === 0) map = node.operator.open(context)
    await map(await inputs.at(from, count), out, from, count)
  }
  if (part === chunk) return mapPart
  const results = openWindow([mapPart], lease, { elements, step: part, most: chunk })
  return async (out, from, count) => {
    const [result] = await results.at(from, count)
    out.f32.set(result!.f32.subarray(0, count))
  }
}

/** An operator's inputs and what it may look at, its statistic among it. */
export async function prepareOperator(
  node: OperatorStep,
  job: TensorJob,
): Promise<{ readonly inputs: Window; readonly context: OperatorContext }> {
  const inputs = await openInputs(node, job)
  const scratch = takeScratch(node, job.lease, partOf(node, job))
  const statistic = await gather(node, inputs, scratch, job)
  return { inputs, context: contextOf(node, scratch, statistic, job) }
}

type OperatorContext = Parameters<OperatorStep['operator']['open']>[0]

async function gather(
  node: OperatorStep,
  inputs: Window,
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
    tables: takeTables(node, job.lease, tableBytes(statistic, job.spec)),
  })
  for (let pass = 0; pass < statistic.passes; pass++) {
    await scanPass(fold, pass, node, inputs, job)
    fold.endPass(pass)
  }
  return fold.value()
}

function contextOf(
  { mode, parameters, inputs }: OperatorStep,
  scratch: readonly Region[],
  statistic: unknown,
  { plan: { context }, spec, products, signal }: TensorJob,
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
    products,
    signal,
  }
}
