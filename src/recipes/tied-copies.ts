import { tiedTensors, type TieMap } from '../checkpoints/tied.ts'
import { type DeltaStep, type PlanNode, subjectsOf, type WeightsStep } from './plan/plan-node.ts'
import type { Plan } from './plan/plan.ts'

/**
 * Copies in the base that must stay copies: a delta does not mention an output head that follows the
 * embedding, so where no leaf gives the head values of its own, the variant's head is the variant's
 * embedding. Reads the two tensors of the base where their shapes allow a tie.
 */
export async function tiedCopies(plan: Plan, signal?: AbortSignal): Promise<TieMap> {
  const options = signal && { signal }
  const copies = new Map(await tiedTensors(plan.base, options))
  if (copies.size === 0) return copies
  for (const leaf of leavesUnder(plan.root)) {
    const ties = leaf.kind === 'weights' ? await tiedTensors(leaf.checkpoint, options) : undefined
    for (const copy of copies.keys()) {
      const own = leaf.kind === 'weights' ? !ties!.has(copy) : leaf.source.tensors.has(copy)
      if (own) copies.delete(copy)
    }
  }
  return copies
}

function leavesUnder(node: PlanNode): (DeltaStep | WeightsStep)[] {
  if (node.kind === 'operator') return subjectsOf(node).flatMap(leavesUnder)
  return node.kind === 'zero' ? [] : [node]
}
