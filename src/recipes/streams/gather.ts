import { createLease } from '../../compute/lease.ts'
import { inScope } from '../../operators/index.ts'
import { tableBytes } from '../../operators/statistics/statistic.ts'
import { isWeightDType } from '../../tensors/dtype.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import { partElements } from '../plan/part-elements.ts'
import { nodeAt, type OperatorStep, operatorsOf } from '../plan/plan-node.ts'
import type { Plan } from '../plan/plan.ts'
import { openInputs, scanPass, takeScratch, takeTables } from './delta-stream.ts'
import { type Findings, startJob } from './tensor-job.ts'

export interface GatherOptions {
  readonly signal?: AbortSignal
  /** Called after every tensor of every pass: how many are done, of how many. */
  readonly onProgress?: (done: number, total: number) => void
}

/** Gathers the statistics of scope `all`, those of inner operators first. */
export async function gatherFindings(plan: Plan, options: GatherOptions = {}): Promise<Findings> {
  const findings = new Map<number, unknown>()
  const nodes = operatorsOf(plan.root).filter((node) => node.statistic?.scope === 'all')
  const passes = nodes.reduce((sum, node) => sum + node.statistic!.passes, 0)
  const total = passes * plan.base.tensors.size
  let done = 0
  const onTensor = (): void => options.onProgress?.(++done, total)
  for (const node of nodes) {
    findings.set(node.index, await gatherOne(node, plan, findings, options.signal, onTensor))
  }
  return findings
}

async function gatherOne(
  node: OperatorStep,
  plan: Plan,
  findings: Findings,
  signal: AbortSignal | undefined,
  onTensor: () => void,
): Promise<unknown> {
  const statistic = node.statistic!
  const { kernels } = plan.context
  const inside = [...plan.base.tensors.values()].filter(
    (spec) => isWeightDType(spec.dtype) && inScope(node.scope, spec),
  )
  const most = (size: (spec: TensorSpec) => number): number => Math.max(0, ...inside.map(size))
  const lease = createLease(kernels)
  try {
    const fold = statistic.start({
      kernels,
      inputs: node.inputs.length,
      elements: inside.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
      scratch: takeScratch(
        node,
        lease,
        most((spec) => partElements(node.unit, spec, plan.chunkElements)),
      ),
      tables: takeTables(
        node,
        lease,
        most((spec) => tableBytes(statistic, spec)),
      ),
    })
    for (let pass = 0; pass < statistic.passes; pass++) {
      for (const spec of plan.base.tensors.values()) {
        const here = nodeAt(node, spec)
        if (here.kind === 'operator' && here.index === node.index) {
          const job = startJob(plan, spec, { findings, signal })
          try {
            await scanPass(fold, pass, here, await openInputs(here, job), job)
          } finally {
            await job.lease.release()
          }
        }
        onTensor()
      }
      fold.endPass(pass)
    }
    return fold.value()
  } finally {
    await lease.release()
  }
}
