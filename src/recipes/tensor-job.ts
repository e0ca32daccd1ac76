import type { Kernels, Region } from '../compute/kernels.ts'
import type { WeightDType } from '../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../tensors/tensor.ts'
import { createLease, type Lease } from './lease.ts'
import type { Plan } from './plan.ts'
import { readAhead, type ReadRange } from './read-ahead.ts'

/** What statistics over all tensors found, by the operator's index. */
export type Findings = ReadonlyMap<number, unknown>

/** The work on one tensor: what every step of its tree shares. */
export interface TensorJob {
  readonly plan: Plan
  readonly spec: TensorSpec
  readonly dtype: WeightDType
  readonly elements: number
  /** Elements per chunk. */
  readonly chunk: number
  readonly findings: Findings
  readonly lease: Lease
  /** Base bytes of `from … from+count`, valid until another range is asked for. */
  readonly base: ReadRange
  /** The same as f32. */
  readonly wideBase: ReadRange
  /** The consecutive chunks of the tensor; throws between two when the signal fires. */
  chunks(): Iterable<{ from: number; count: number }>
}

export interface JobInit {
  readonly findings: Findings
  readonly signal?: AbortSignal | undefined
}

/** Whoever starts a job releases its lease. */
export function startJob(plan: Plan, spec: TensorSpec, { findings, signal }: JobInit): TensorJob {
  const { kernels } = plan.context
  const lease = createLease(kernels)
  const elements = elementsOf(spec.shape)
  const chunk = Math.min(plan.chunkElements, elements)
  const dtype = spec.dtype as WeightDType

  const base = readAhead(plan.base, spec, chunk, lease)
  return {
    plan,
    spec,
    dtype,
    elements,
    chunk,
    findings,
    lease,
    base,
    wideBase: dtype === 'F32' ? base : widenOnce(base, dtype, chunk, lease, kernels),
    *chunks() {
      for (let from = 0; from < elements; from += chunk) {
        signal?.throwIfAborted()
        yield { from, count: Math.min(chunk, elements - from) }
      }
    },
  }
}

/** Callers that ask for the same range in a row share one conversion. */
function widenOnce(
  read: ReadRange,
  dtype: WeightDType,
  chunk: number,
  lease: Lease,
  kernels: Kernels,
): ReadRange {
  let region: Region | undefined
  let held: { from: number; wide: Promise<Region> } | undefined
  return (from, count) => {
    if (held?.from === from) return held.wide
    const out = (region ??= lease.take(chunk * 4))
    const wide = read(from, count).then((bytes) => {
      kernels.widen(dtype, bytes, out, count)
      return out
    })
    held = { from, wide }
    return wide
  }
}
