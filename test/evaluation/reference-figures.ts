import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { CID } from '../../src/canonical.ts'
import { openFolder } from '../../src/checkpoints/folder.ts'
import { weightsId } from '../../src/checkpoints/weights-id.ts'
import type { Weights } from '../../src/checkpoints/weights.ts'
import { loadCodecs } from '../../src/codecs/index.ts'
import { loadOperators, type Mode } from '../../src/operators/index.ts'
import { type DraftNode, recipeOf } from '../../src/recipes/canonical-recipe.ts'
import { openVariant, type Variant } from '../../src/recipes/materialise.ts'
import { planRecipe, type Sources } from '../../src/recipes/plan.ts'
import type { WeightsLeaf } from '../../src/recipes/recipe.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import { mean, modelOf, openEvaluation, suiteOfFiles } from '../../scripts/bench/measured-suite.ts'
import { dataPath } from '../support/shared.ts'

/** What was measured of one variant on one task. */
export interface Figures {
  readonly loss: number
  /** Share of items with the right label, of images. */
  readonly acc?: number
}

/** A file of figures that PyTorch in f32 measured of variants that numpy made. */
export function readReference(name: string): unknown {
  return JSON.parse(readFileSync(dataPath(`reference/${name}.json`), 'utf8'))
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
      return measured.map(({ losses, correct }) => {
        const items = losses.length / paths.tasks.length
        return paths.tasks.map((_, task) => ({
          loss: mean(losses.slice(task * items, (task + 1) * items)),
          acc: mean(correct.slice(task * items, (task + 1) * items)),
        }))
      })
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(folders.map((folder) => folder.close()))
      await evaluation.close()
    },
  }
}

/**
 * Within `tolerance` nats, and one of 600 images whose two best logits are within rounding of each
 * other.
 */
export function assertFigures(
  actual: Figures,
  expected: Figures,
  what: string,
  tolerance = 1e-5,
): void {
  const apart = Math.abs(actual.loss - expected.loss)
  assert.ok(apart <= tolerance, `${what}: a loss of ${actual.loss} is not ${expected.loss}`)
  if (expected.acc === undefined) return
  const items = 600 * Math.abs(actual.acc! - expected.acc)
  assert.ok(items < 1.01, `${what}: an accuracy of ${actual.acc} is not ${expected.acc}`)
}
