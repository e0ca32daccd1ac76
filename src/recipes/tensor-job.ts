import type { Region } from '../compute/kernels.ts'
import { dtypeBytes, type WeightDType } from '../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../tensors/tensor.ts'
import { createLease, type Lease } from './lease.ts'
import type { Plan } from './plan.ts'

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
  readonly base: (from: number, count: number) => Promise<Region>
  /** The same as f32. */
  readonly wideBase: (from: number, count: number) => Promise<Region>
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
  const size = dtypeBytes[spec.dtype]
  const dtype = spec.dtype as WeightDType

  const base = onceInARow(lease, chunk * size, async (from, count, out) => {
    await plan.base.read(spec.name, from * size, out.u8.subarray(0, count * size))
  })
  const widened = onceInARow(lease, chunk * 4, async (from, count, out) => {
    kernels.widen(dtype, await base(from, count), out, count)
  })
  return {
    plan,
    spec,
    dtype,
    elements,
    chunk,
    findings,
    lease,
    base,
    wideBase: dtype === 'F32' ? base : widened,
    *chunks() {
      for (let from = 0; from < elements; from += chunk) {
        signal?.throwIfAborted()
        yield { from, count: Math.min(chunk, elements - from) }
      }
    },
  }
}

/** Fills a region of its own, once for callers that ask for the same range in a row. */
function onceInARow(
  lease: Lease,
  bytes: number,
  fill: (from: number, count: number, out: Region) => Promise<void>,
): (from: number, count: number) => Promise<Region> {
  let region: Region | undefined
  let held: { from: number; count: number; filled: Promise<Region> } | undefined
  return (from, count) => {
    if (held?.from === from && held.count === count) return held.filled
    const out = (region ??= lease.take(bytes))
    held = { from, count, filled: fill(from, count, out).then(() => out) }
    return held.filled
  }
}
