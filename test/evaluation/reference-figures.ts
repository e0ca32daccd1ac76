import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { CID } from '../../src/canonical.ts'
import { openFolder } from '../../src/checkpoints/folder.ts'
import { weightsId } from '../../src/checkpoints/weights-id.ts'
import type { Weights } from '../../src/checkpoints/weights.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import { targetsOf } from '../../src/evaluation/suite.ts'
import { loadOperators, type Mode } from '../../src/operators/index.ts'
import { type DraftNode, recipeOf } from '../../src/recipes/canonical-recipe.ts'
import { openVariant, type Variant } from '../../src/recipes/materialise.ts'
import { planRecipe, type Sources } from '../../src/recipes/plan/plan.ts'
import type { WeightsLeaf } from '../../src/recipes/recipe.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import { mean, modelOf, openEvaluation, suiteOfFiles } from '../../scripts/bench/measured-suite.ts'
import { dataPath } from '../support/shared.ts'

/** What was measured of one variant on one task. */
export interface Figures {
  /** Mean over all targets, in nats. */
  readonly loss: number
  /** Share of images with the right label; the references also have those of cloze tests. */
  readonly acc?: number
}

/** A file of figures that PyTorch in f32 measured of variants that numpy made. */
export function readReference(name: string): unknown {
  return readJson(dataPath(`reference/${name}.json`))
}

export interface ModelPaths {
  readonly base: string
  readonly experts: readonly string[]
  /** Prepared files with equal numbers of items. */
  readonly tasks: readonly string[]
}

/** A base and its experts with an evaluator. */
export interface MeasuredModels extends AsyncDisposable {
  readonly base: Checkpoint
  /** In the order in which the paths were given. */
  readonly experts: readonly WeightsLeaf[]
  variant(root: DraftNode, mode?: Mode): Promise<Variant>
  /** The figures of each variant, task by task. */
  figures(variants: readonly Weights[]): Promise<readonly (readonly Figures[])[]>
}

export async function openModels(paths: ModelPaths): Promise<MeasuredModels> {
  const evaluation = await openEvaluation()
  const { kernels } = evaluation
  const entries = { operators: await loadOperators(), codecs: await loadCodecs() }
  const model = await modelOf(`${paths.base}/config.json`)
  const suite = await suiteOfFiles(await Promise.all(paths.tasks.map(evaluation.open)))
  const targets = suite.shards.flatMap(({ items }) => items.map(targetsOf))
  const folders = await Promise.all([paths.base, ...paths.experts].map((path) => openFolder(path)))
  const checkpoints = folders.map(({ checkpoint }) => checkpoint)
  const ids: CID[] = []
  for (const checkpoint of checkpoints) ids.push((await weightsId(checkpoint)).id)
  const sources: Sources = {
    delta: () => Promise.reject(new Error('no deltas are published here')),
    weights: async (id) => checkpoints[ids.findIndex((each) => each.equals(id))]!,
  }

  return {
    base: checkpoints[0]!,
    experts: ids.slice(1).map((weights) => ({ weights })),
    async variant(root, mode = 'paper') {
      const recipe = recipeOf({ base: ids[0]!, root, mode }, entries)
      return openVariant(await planRecipe(recipe, sources, { ...entries, kernels }))
    },
    async figures(variants) {
      const measured = await evaluation.measure(model, suite, variants)
      const items = targets.length / paths.tasks.length
      return measured.map(({ losses, correct }) =>
        paths.tasks.map((_, task) => {
          const ofTask = <T>(values: readonly T[]): readonly T[] =>
            values.slice(task * items, (task + 1) * items)
          const loss = weightedMean(ofTask(losses), ofTask(targets))
          return suite.root.modality === 'image' ? { loss, acc: mean(ofTask(correct)) } : { loss }
        }),
      )
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(folders.map((folder) => folder.close()))
      await evaluation.close()
    },
  }
}

/**
 * Within `tolerance` nats and the rounding of f32, and one of 600 images whose two best logits are
 * within rounding of each other.
 */
export function assertFigures(
  actual: Figures,
  expected: Figures,
  what: string,
  tolerance = 1e-5,
): void {
  const apart = Math.abs(actual.loss - expected.loss)
  const rounding = 2 ** -23 * expected.loss
  assert.ok(
    apart <= tolerance + rounding,
    `${what}: a loss of ${actual.loss} is not ${expected.loss}`,
  )
  if (expected.acc === undefined || actual.acc === undefined) return
  const items = 600 * Math.abs(actual.acc - expected.acc)
  assert.ok(items < 1.01, `${what}: an accuracy of ${actual.acc} is not ${expected.acc}`)
}

export function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'))
}

function weightedMean(values: readonly number[], weights: readonly number[]): number {
  return mean(values.map((value, i) => value * weights[i]!)) / mean(weights)
}
