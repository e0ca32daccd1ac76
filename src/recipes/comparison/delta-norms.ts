import type { WeightDType } from '../../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { Plan } from '../plan/plan.ts'
import { gatherFindings } from '../streams/gather.ts'
import { sideBySide } from '../streams/side-by-side.ts'

/** How large a delta is in one tensor. */
export interface TensorNorms {
  readonly spec: TensorSpec
  readonly elements: number
  /** Σ Δ² and Σ W₀², in f64 block by block. */
  readonly squares: number
  readonly baseSquares: number
  /** Elements of the delta that are zero. */
  readonly zeros: number
}

export interface NormOptions {
  readonly signal?: AbortSignal
  /** Elements that are done, of how many. */
  readonly onProgress?: (done: number, total: number) => void
}

/** Measures every tensor that a plan's recipe may change, in the base's order. */
export async function measureNorms(
  plan: Plan,
  { signal, onProgress }: NormOptions = {},
): Promise<readonly TensorNorms[]> {
  const { kernels } = plan.context
  const findings = await gatherFindings(plan, signal && { signal })
  const specs = plan.changed.map((name) => plan.base.tensors.get(name)!)
  const total = specs.reduce((sum, { shape }) => sum + elementsOf(shape), 0)
  const norms: TensorNorms[] = []
  let done = 0
  for (const spec of specs) {
    const elements = elementsOf(spec.shape)
    let [squares, baseSquares, zeros] = [0, 0, 0]
    const wide = kernels.allocate(Math.min(plan.chunkElements, elements) * 4)
    try {
      const views = [{ plan, node: plan.root, findings }]
      for await (const { count, deltas, base } of sideBySide(spec, views, signal)) {
        const [delta] = deltas
        squares = kernels.sumSquares(delta!, count, squares)
        for (let i = 0; i < count; i++) if (delta!.f32[i] === 0) zeros++
        kernels.widen(spec.dtype as WeightDType, await base(), wide, count)
        baseSquares = kernels.sumSquares(wide, count, baseSquares)
      }
    } finally {
      kernels.release(wide)
    }
    norms.push({ spec, elements, squares, baseSquares, zeros })
    onProgress?.((done += elements), total)
  }
  return norms
}
