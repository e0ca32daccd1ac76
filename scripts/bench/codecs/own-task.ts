import type { Checkpoint, VariantClass } from '../../../src/index.ts'
import { classify, equivalenceMargin } from '../../../src/evaluation/classify.ts'
import {
  pairedDifference,
  type PairedDifference,
} from '../../../src/evaluation/paired-difference.ts'
import { targetsOf } from '../../../src/evaluation/suite.ts'
import { weightsOf } from '../../../src/index.ts'
import { modelOf, type openEvaluation, suiteOfFiles } from '../measured-suite.ts'

/** What variants of an expert lose on the held-out items of the task that it was trained for. */
export interface OwnTask {
  /** Mean losses in nats per target. */
  readonly base: number
  readonly expert: number
  /** The equivalence margin between expert and variant. */
  readonly margin: number
  readonly items: number
  /** Against the expert, in the order of the variants. */
  readonly changes: readonly LossChange[]
}

export interface LossChange extends PairedDifference {
  readonly class: VariantClass
}

export type Evaluation = Awaited<ReturnType<typeof openEvaluation>>

export async function measureOwnTask(
  evaluation: Evaluation,
  { config, task }: { readonly config: string; readonly task: string },
  base: Checkpoint,
  expert: Checkpoint,
  variants: readonly Checkpoint[],
): Promise<OwnTask> {
  const suite = await suiteOfFiles([await evaluation.open(task)])
  const weights = [base, expert, ...variants].map((each) => weightsOf(each, evaluation.kernels))
  const measured = await evaluation.measure(await modelOf(config), suite, weights)
  const losses = measured.map((each) => Float64Array.from(each.losses))
  const items = suite.shards.flatMap((shard) => shard.items)
  const targets = Float64Array.from(items, targetsOf)
  const [ofBase, ofExpert] = losses.map((each) => meanLoss(each, targets)) as [number, number]
  const margin = equivalenceMargin(ofBase, ofExpert)
  const changes = losses.slice(2).map((each) => {
    const paired = pairedDifference(each, losses[1]!, targets)!
    return { ...paired, class: classify(paired, margin) }
  })
  return { base: ofBase, expert: ofExpert, margin, items: items.length, changes }
}

function meanLoss(losses: Float64Array, targets: Float64Array): number {
  const total = targets.reduce((sum, count) => sum + count, 0)
  return losses.reduce((sum, loss, i) => sum + loss * targets[i]!, 0) / total
}
