import type { Region } from '../../compute/kernels.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import { nodeAt } from '../plan/plan-node.ts'
import type { Plan } from '../plan/plan.ts'
import { gatherFindings } from '../streams/gather.ts'
import { type DeltaView, sideBySide } from '../streams/side-by-side.ts'
import { tiedCopies } from '../tied-copies.ts'
import { createRelationSum, type Relation } from './relation.ts'

/** How two deltas of one tensor stand to each other. */
export interface TensorComparison extends Relation {
  readonly spec: TensorSpec
  /** Elements with the same value in both; +0 and −0 are one. */
  readonly equal: number
  /** Elements that neither leaves at zero, and those of them with one sign. */
  readonly signed: number
  readonly sameSign: number
}

export interface CompareOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Compares what two plans over one base denote, tensor by tensor in the base's order: those that one
 * of them changes, but no copies that follow their original in both. The plans have the same kernels
 * and chunk size. `onProgress` counts elements.
 */
export async function compareDeltas(
  a: Plan,
  b: Plan,
  { signal, onProgress }: CompareOptions = {},
): Promise<readonly TensorComparison[]> {
  const options = signal && { signal }
  const views = [
    { plan: a, node: a.root, findings: await gatherFindings(a, options) },
    { plan: b, node: b.root, findings: await gatherFindings(b, options) },
  ]
  const [copiesA, copiesB] = [await tiedCopies(a, signal), await tiedCopies(b, signal)]
  const specs = [...a.base.tensors.values()].filter(
    (spec) =>
      views.some(({ node }) => nodeAt(node, spec).kind !== 'zero') &&
      !(copiesA.has(spec.name) && copiesB.has(spec.name)),
  )
  const total = specs.reduce((sum, { shape }) => sum + elementsOf(shape), 0)
  const comparisons: TensorComparison[] = []
  let done = 0
  for (const spec of specs) {
    comparisons.push(await compareTensor(spec, views, signal))
    onProgress?.((done += elementsOf(spec.shape)), total)
  }
  return comparisons
}

async function compareTensor(
  spec: TensorSpec,
  views: readonly DeltaView[],
  signal: AbortSignal | undefined,
): Promise<TensorComparison> {
  const { kernels } = views[0]!.plan.context
  const relation = createRelationSum(kernels)
  const counts = { equal: 0, signed: 0, sameSign: 0 }
  let scratch: Region | undefined
  try {
    for await (const { deltas, count } of sideBySide(spec, views, signal)) {
      scratch ??= kernels.allocate(count * 4)
      relation.add(deltas[0]!, deltas[1]!, scratch, count)
      countSigns(deltas[0]!.f32, deltas[1]!.f32, count, counts)
    }
  } finally {
    if (scratch !== undefined) kernels.release(scratch)
  }
  return { spec, ...relation.value(), ...counts }
}

function countSigns(
  a: Float32Array,
  b: Float32Array,
  count: number,
  counts: { equal: number; signed: number; sameSign: number },
): void {
  let [equal, signed, sameSign] = [0, 0, 0]
  for (let i = 0; i < count; i++) {
    const [x, y] = [a[i]!, b[i]!]
    if (x === y) equal++
    if (x === 0 || y === 0) continue
    signed++
    if (x > 0 === y > 0) sameSign++
  }
  counts.equal += equal
  counts.signed += signed
  counts.sameSign += sameSign
}
