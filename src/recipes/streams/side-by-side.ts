import type { Region } from '../../compute/kernels.ts'
import type { TensorSpec } from '../../tensors/tensor.ts'
import { nodeAt, type PlanNode } from '../plan/plan-node.ts'
import type { Plan } from '../plan/plan.ts'
import { openStream } from './delta-stream.ts'
import type { DeltaStream } from './stream-window.ts'
import { type Findings, startJob } from './tensor-job.ts'

/** A delta to look at: what a plan's recipe denotes, or a node inside of it. */
export interface DeltaView {
  readonly plan: Plan
  readonly node: PlanNode
  /** What `gatherFindings` found for the plan. */
  readonly findings: Findings
}

/** The same elements of several deltas and of their base; regions are valid until the next chunk. */
export interface Slice {
  readonly from: number
  readonly count: number
  /** f32, one per view. */
  readonly deltas: readonly Region[]
  /** In the tensor's dtype; read when it is asked for. */
  base(): Promise<Region>
}

/**
 * Streams one tensor of several deltas over one base, from its first element to its last; a tensor
 * that a delta leaves alone is zero. All plans have the same kernels and chunk size. Memory is given
 * back also when the caller stops early.
 */
export async function* sideBySide(
  spec: TensorSpec,
  views: readonly DeltaView[],
  signal?: AbortSignal,
): AsyncGenerator<Slice> {
  const { plan, findings } = views[0]!
  const job = startJob(plan, spec, { findings, signal })
  try {
    const streams: DeltaStream[] = []
    for (const view of views) {
      const own = { ...job, plan: view.plan, findings: view.findings }
      streams.push(await openStream(nodeAt(view.node, spec), own))
    }
    const deltas = streams.map(() => job.lease.take(job.chunk * 4))
    for (const { from, count } of job.parts()) {
      // One after the other: they share the reader of the base.
      for (const [i, stream] of streams.entries()) await stream(deltas[i]!, from, count)
      yield { from, count, deltas, base: () => job.base(from, count) }
    }
  } finally {
    await job.lease.release()
  }
}
