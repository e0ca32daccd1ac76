import { inScope } from '../../operators/index.ts'
import { compareNames, elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import { nodeAt, type OperatorStep, type PlanNode } from '../plan/plan-node.ts'
import type { Plan } from '../plan/plan.ts'
import { gatherFindings } from '../streams/gather.ts'
import { type DeltaView, sideBySide } from '../streams/side-by-side.ts'
import { createRelationSum, type Relation, sumRelations } from './relation.ts'

/** What one edit does to the delta it is given; a is the delta before it, b the one after. */
export interface StepEffect {
  readonly step: OperatorStep
  /** The tensors that it acts on, of those that the delta changes, and those that it passes through. */
  readonly acts: readonly TensorSpec[]
  readonly passes: readonly TensorSpec[]
  /** Over the measured tensors that it acts on. */
  readonly inScope: Relation
  /** Over all measured tensors. */
  readonly overall: Relation
}

/** What a chain of edits does; in `whole` a is the delta that it was given, b what comes out. */
export interface EditEffect {
  /** First to last. */
  readonly steps: readonly StepEffect[]
  readonly whole: Omit<StepEffect, 'step'>
  /** The tensors that the delta changes, and those of them that were measured. */
  readonly tensors: readonly TensorSpec[]
  readonly measured: readonly TensorSpec[]
}

export interface EffectOptions {
  readonly signal?: AbortSignal
  /** Elements that are measured, of how many; statistics over all tensors come before the first. */
  readonly onProgress?: (done: number, total: number) => void
  /** @default `SAMPLE_ELEMENTS` */
  readonly sampleElements?: number
}

/** A quarter of a gigabyte of f32, some seconds of work; smaller models are measured as a whole. */
export const SAMPLE_ELEMENTS = 64 * 1024 * 1024

/**
 * Runs the outermost `count` edits of a plan over its deltas and measures, without writing, what each
 * changes. Larger models are measured on a sample: tensors that an edit acts on first, the largest
 * first, until they hold `sampleElements`; statistics over all tensors are gathered over all.
 */
export async function measureEdits(
  plan: Plan,
  count: number,
  { signal, onProgress, sampleElements = SAMPLE_ELEMENTS }: EffectOptions = {},
): Promise<EditEffect> {
  const { parent, steps } = chainOf(plan.root, count)
  const tensors = [...plan.base.tensors.values()].filter(
    (spec) => nodeAt(parent, spec).kind !== 'zero',
  )
  const measured = sampleOf(tensors, steps, sampleElements)
  const findings = await gatherFindings(plan, signal && { signal })
  const changes: TensorChange[] = []
  const total = countElements(measured)
  let done = 0
  for (const spec of measured) {
    changes.push(await measureTensor(spec, { plan, findings, parent, steps }, signal))
    onProgress?.((done += elementsOf(spec.shape)), total)
  }
  const effectOf = (
    touches: (spec: TensorSpec) => boolean,
    relation: (change: TensorChange) => Relation,
  ) => ({
    acts: tensors.filter(touches),
    passes: tensors.filter((spec) => !touches(spec)),
    inScope: sumRelations(changes.filter(({ spec }) => touches(spec)).map(relation)),
    overall: sumRelations(changes.map(relation)),
  })
  return {
    steps: steps.map((step, i) => ({
      step,
      ...effectOf(
        (spec) => inScope(step.scope, spec),
        (change) => change.steps[i]!,
      ),
    })),
    whole: effectOf(
      (spec) => steps.some((step) => inScope(step.scope, spec)),
      (change) => change.whole,
    ),
    tensors,
    measured,
  }
}

/** Elements of several tensors together. */
export function countElements(specs: Iterable<TensorSpec>): number {
  let sum = 0
  for (const { shape } of specs) sum += elementsOf(shape)
  return sum
}

interface Chain {
  readonly parent: PlanNode
  readonly steps: readonly OperatorStep[]
}

/** The outermost `count` operators, the innermost of them first, and what they were put over. */
function chainOf(root: PlanNode, count: number): Chain {
  const steps: OperatorStep[] = []
  let parent = root
  while (steps.length < count && parent.kind === 'operator') {
    steps.unshift(parent)
    parent = parent.inputs[0]!
  }
  return { parent, steps }
}

/** The tensors to measure, in the order of the base. */
function sampleOf(
  tensors: readonly TensorSpec[],
  steps: readonly OperatorStep[],
  most: number,
): readonly TensorSpec[] {
  const isTouched = (spec: TensorSpec): boolean => steps.some((step) => inScope(step.scope, spec))
  const order = tensors.toSorted(
    (x, y) =>
      Number(isTouched(y)) - Number(isTouched(x)) ||
      elementsOf(y.shape) - elementsOf(x.shape) ||
      compareNames(x.name, y.name),
  )
  const sample = new Set<TensorSpec>()
  let elements = 0
  for (const spec of order) {
    if (elements >= most) break
    sample.add(spec)
    elements += elementsOf(spec.shape)
  }
  return tensors.filter((spec) => sample.has(spec))
}

interface TensorChange {
  readonly spec: TensorSpec
  readonly steps: readonly Relation[]
  readonly whole: Relation
}

async function measureTensor(
  spec: TensorSpec,
  { plan, findings, parent, steps }: Chain & Omit<DeltaView, 'node'>,
  signal: AbortSignal | undefined,
): Promise<TensorChange> {
  const { kernels } = plan.context
  const nodes: PlanNode[] = [parent]
  // A step whose scope leaves the tensor out gives what it was given.
  const pairs = steps.map((step) => {
    const before = nodes.length - 1
    if (inScope(step.scope, spec)) nodes.push(step)
    return { before, after: nodes.length - 1, sum: createRelationSum(kernels) }
  })
  const whole = { before: 0, after: nodes.length - 1, sum: createRelationSum(kernels) }
  const views = nodes.map((node) => ({ plan, findings, node }))
  const scratch = kernels.allocate(Math.min(plan.chunkElements, elementsOf(spec.shape)) * 4)
  try {
    for await (const { deltas, count } of sideBySide(spec, views, signal)) {
      for (const { before, after, sum } of [...pairs, whole]) {
        sum.add(deltas[before]!, deltas[after]!, scratch, count)
      }
    }
  } finally {
    kernels.release(scratch)
  }
  return { spec, steps: pairs.map(({ sum }) => sum.value()), whole: whole.sum.value() }
}
