import { readAhead, type ReadRange } from '../../checkpoints/read-ahead.ts'
import type { Matrix } from '../../compute/kernels.ts'
import { createLease, type Lease } from '../../compute/lease.ts'
import { createProducts, type MatrixProducts } from '../../compute/matrix/products.ts'
import type { WeightDType } from '../../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { Plan } from '../plan/plan.ts'

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
  /**
   * The tensor in consecutive parts of `elements`, a chunk unless given; throws between two when the
   * signal fires.
   */
  parts(elements?: number): Iterable<{ from: number; count: number }>
  /** `TensorContext.products`; the kernels' own unless the tensor is made for a device. */
  products(matrix: Matrix, lease: Lease): MatrixProducts
  readonly signal: AbortSignal | undefined
}

export interface JobInit {
  readonly findings: Findings
  readonly signal?: AbortSignal | undefined
}

/** Whoever starts a job releases its lease. */
export function startJob(plan: Plan, spec: TensorSpec, { findings, signal }: JobInit): TensorJob {
  const lease = createLease(plan.context.kernels)
  const elements = elementsOf(spec.shape)
  const chunk = Math.min(plan.chunkElements, elements)
  return {
    plan,
    spec,
    dtype: spec.dtype as WeightDType,
    elements,
    chunk,
    findings,
    lease,
    base: readAhead(plan.base, spec, chunk, lease),
    products: (_matrix, lease) => createProducts(plan.context.kernels, lease),
    signal,
    *parts(part = chunk) {
      for (let from = 0; from < elements; from += part) {
        signal?.throwIfAborted()
        yield { from, count: Math.min(part, elements - from) }
      }
    },
  }
}
