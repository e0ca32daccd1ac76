import { findTensor } from '../checkpoints/find-tensor.ts'
import { readAhead, type ReadRange } from '../checkpoints/read-ahead.ts'
import { notWeights, type Weights } from '../checkpoints/weights.ts'
import type { Region } from '../compute/kernels.ts'
import { sliceRegion } from '../compute/slice-region.ts'
import { dtypeBytes, isWeightDType, type WeightDType } from '../tensors/dtype.ts'
import type { TensorSpec } from '../tensors/tensor.ts'
import { runsOnDevice, weightsOnDevice } from './device-weights.ts'
import { type CheckFinite, createFiniteCheck } from './finite-weights.ts'
import { nodeAt, type PlanNode } from './plan/plan-node.ts'
import type { Plan } from './plan/plan.ts'
import { openReader, openStream } from './streams/delta-stream.ts'
import { type GatherOptions, gatherFindings } from './streams/gather.ts'
import { type Findings, startJob, type TensorJob } from './streams/tensor-job.ts'
import { tiedCopies } from './tied-copies.ts'

/** Consecutive elements of a tensor in its dtype's bytes, valid until the next chunk is asked for. */
export interface WeightChunk {
  readonly from: number
  readonly count: number
  readonly bytes: Uint8Array
}

/** The weights that a recipe denotes, made as they are read; nothing is kept. */
export interface Variant extends Weights {
  readonly plan: Plan
  /**
   * The named tensor from first to last. Rejects with `NotFoundError` `E_TENSOR_MISSING`, and with
   * `InvalidInputError` `E_NOT_FINITE` where the recipe gives what the dtype cannot hold; `load` and
   * `loadOn` give such weights as they are.
   */
  chunks(name: string, options?: { readonly signal?: AbortSignal }): AsyncIterable<WeightChunk>
}

/**
 * Gathers what must be known over all tensors, and opens the variant. The plan's memory holds while
 * one tensor is read at a time; everything is given back when a tensor ends, early or by an error.
 */
export async function openVariant(plan: Plan, options: GatherOptions = {}): Promise<Variant> {
  const findings = await gatherFindings(plan, options)
  const copies = await tiedCopies(plan, options.signal)
  const original = (name: string): string => copies.get(name) ?? name
  const { kernels } = plan.context

  return {
    plan,
    tensors: plan.tensors,
    async *chunks(name, { signal } = {}) {
      const spec = findTensor(plan.tensors, name)
      const { dtype } = spec
      const source = plan.base.tensors.get(original(name))!
      const check = checkOf(plan, source, spec)
      for await (const { from, count, region } of pieces(plan, source.name, findings, signal)) {
        check?.(region, from, count)
        yield { from, count, bytes: region.u8.subarray(0, count * dtypeBytes[dtype]) }
      }
    },
    async load(name, out) {
      const { dtype } = findTensor(plan.tensors, name)
      if (!isWeightDType(dtype)) throw notWeights(name, dtype)
      for await (const { from, count, region } of pieces(plan, original(name), findings)) {
        kernels.widen(dtype, region, sliceRegion(out, from * 4, count * 4), count)
      }
    },
    async loadOn(device, name) {
      const spec = findTensor(plan.base.tensors, original(name))
      const node = nodeAt(plan.root, spec)
      if (!runsOnDevice(node, spec, plan.tensors.get(name)!, plan.context)) return undefined
      const job = startJob(plan, spec, { findings })
      try {
        return await weightsOnDevice(node, job, device)
      } finally {
        await job.lease.release()
      }
    },
  }
}

/** Bytes that are taken over from a checkpoint are its business, and so are integers. */
function checkOf(plan: Plan, source: TensorSpec, result: TensorSpec): CheckFinite | undefined {
  const node = nodeAt(plan.root, source)
  const isCopied =
    (node.kind === 'zero' || node.kind === 'weights') && source.dtype === result.dtype
  return isCopied ? undefined : createFiniteCheck(plan.context.kernels, node, result)
}

interface Piece {
  readonly from: number
  readonly count: number
  /** The result's bytes in the variant's dtype. */
  readonly region: Region
}

async function* pieces(
  plan: Plan,
  name: string,
  findings: Findings,
  signal?: AbortSignal,
): AsyncGenerator<Piece> {
  const spec = plan.base.tensors.get(name)!
  const job = startJob(plan, spec, { findings, signal })
  try {
    const write = await openWriter(nodeAt(plan.root, spec), job, plan.tensors.get(name)!)
    for (const { from, count } of job.parts()) {
      yield { from, count, region: await write(from, count) }
    }
  } finally {
    await job.lease.release()
  }
}

async function openWriter(node: PlanNode, job: TensorJob, result: TensorSpec): Promise<ReadRange> {
  const exact = await openExact(node, job)
  if (exact !== undefined) {
    return result.dtype === job.spec.dtype ? exact : recast(exact, job, result.dtype as WeightDType)
  }
  const { lease, chunk, plan } = job
  const { kernels } = plan.context
  const dtype = result.dtype as WeightDType
  const stream = await openStream(node, job)
  const delta = lease.take(chunk * 4)
  const out = lease.take(chunk * dtypeBytes[dtype])
  return async (from, count) => {
    await stream(delta, from, count)
    kernels.applied(job.dtype, await job.base(from, count), delta, dtype, out, count)
    return out
  }
}

/** The tensor's bytes where they are known without arithmetic: the base's own, or a leaf's. */
export async function openExact(node: PlanNode, job: TensorJob): Promise<ReadRange | undefined> {
  const { spec, lease, chunk, plan } = job
  if (node.kind === 'zero') return job.base
  if (node.kind === 'weights') return readAhead(node.checkpoint, spec, chunk, lease)
  if (node.kind === 'operator') return undefined
  const tensor = node.source.tensors.get(spec.name)!
  if (!plan.context.codecs.get(tensor.codec).exact) return undefined
  const reader = await openReader(node, job)
  lease.defer(() => reader.close())
  const post = lease.take(chunk * dtypeBytes[spec.dtype])
  return async (from, count) => {
    await reader.readPost!(post, count, await job.base(from, count))
    return post
  }
}

function recast(
  exact: ReadRange,
  { dtype, lease, chunk, plan }: TensorJob,
  to: WeightDType,
): ReadRange {
  const { kernels } = plan.context
  const wide = lease.take(chunk * 4)
  const out = lease.take(chunk * dtypeBytes[to])
  return async (from, count) => {
    kernels.widen(dtype, await exact(from, count), wide, count)
    kernels.narrow(to, wide, out, count)
    return out
  }
}
