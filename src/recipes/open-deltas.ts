import { findTensor } from '../checkpoints/find-tensor.ts'
import type { DeltaChunk, DeltaTensor } from '../codecs/index.ts'
import { dtypeBytes, type WeightDType } from '../tensors/dtype.ts'
import { createFiniteCheck } from './finite-weights.ts'
import { openExact } from './materialise.ts'
import { nodeAt } from './plan/plan-node.ts'
import type { Plan } from './plan/plan.ts'
import { openStream } from './streams/delta-stream.ts'
import { type GatherOptions, gatherFindings } from './streams/gather.ts'
import { type Findings, startJob } from './streams/tensor-job.ts'

/**
 * The deltas that a recipe denotes, not yet rounded into weights: what is encoded when an edited
 * fine-tune is published. `post` of a chunk is what the recipe writes in the base's dtype: the bytes
 * of a leaf that no operator touches, else base + delta rounded. Chunks reject with
 * `InvalidInputError` `E_NOT_FINITE` where the dtype cannot hold that.
 */
export interface Deltas {
  /** Rejects when read with `NotFoundError` `E_TENSOR_MISSING` for a tensor that the base lacks. */
  tensor(name: string): DeltaTensor
}

export async function openDeltas(plan: Plan, options: GatherOptions = {}): Promise<Deltas> {
  const findings = await gatherFindings(plan, options)
  return {
    tensor(name) {
      const spec = findTensor(plan.base.tensors, name)
      return { spec, chunks: () => chunksOf(plan, name, findings, options.signal) }
    },
  }
}

async function* chunksOf(
  plan: Plan,
  name: string,
  findings: Findings,
  signal?: AbortSignal,
): AsyncGenerator<DeltaChunk> {
  const spec = findTensor(plan.base.tensors, name)
  const { kernels } = plan.context
  const job = startJob(plan, spec, { findings, signal })
  const dtype = spec.dtype as WeightDType
  try {
    const node = nodeAt(plan.root, spec)
    const stream = await openStream(node, job)
    const exact = await openExact(node, job)
    const { lease, chunk } = job
    const delta = lease.take(chunk * 4)
    const rounded = lease.take(chunk * dtypeBytes[dtype])
    const check = createFiniteCheck(kernels, node, spec)
    for (const { from, count } of job.parts()) {
      await stream(delta, from, count)
      const base = await job.base(from, count)
      if (exact === undefined) {
        kernels.applied(dtype, base, delta, dtype, rounded, count)
        check(rounded, from, count)
      }
      const post = exact === undefined ? rounded : await exact(from, count)
      yield { from, count, delta, base, post }
    }
  } finally {
    await job.lease.release()
  }
}
