import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { targetsOf } from '../../src/evaluation/suite.ts'
import { mean, modelOf, openEvaluation, suiteOfFiles } from '../../scripts/bench/measured-suite.ts'
import { sharedPath, skip } from '../support/shared.ts'

/** What PyTorch measured in f32: by model and task. */
interface Oracle {
  readonly models: Readonly<Record<string, { readonly f32: Readonly<Record<string, Figures>> }>>
}

interface Figures {
  readonly loss: number
  readonly acc?: number
  readonly per_example_loss?: readonly number[]
}

/** Experts whose weights are too large to stand in the repository, and the file with their figures. */
const experts: readonly (readonly [family: string, folder: string, oracle: string])[] = [
  ...['digits', 'fashion', 'latin', 'kana'].map((task) => ['vit-tiny', task, 'oracle'] as const),
  ...['fr', 'py', 'math'].map((task) => ['llama-tiny', task, 'oracle'] as const),
  ['llama-tiny', 'de-light', 'oracle-de-light'],
  ['llama-tiny', 'math-heavy', 'oracle-math-heavy'],
]

describe('trained models beside the repository', () => {
  let evaluation: Awaited<ReturnType<typeof openEvaluation>>
  before(async () => {
    evaluation = await openEvaluation()
  })
  after(() => evaluation.close())

  for (const [family, folder, oracle] of experts) {
    const task = folder.split('-')[0]!
    it(`${family} ${folder} has on its task the figures that PyTorch gives`, async function () {
      const data = sharedPath(`data/${family}`) ?? skip(this, `no ../shared/data/${family}`)
      const { models } = JSON.parse(readFileSync(`${data}/${oracle}.json`, 'utf8')) as Oracle
      const expected = models[task]!.f32[task]!
      const model = await modelOf(`${data}/${folder}/config.json`)
      const weights = await evaluation.weights(`${data}/${folder}/model.safetensors`)
      const suite = await suiteOfFiles([await evaluation.open(`${data}/eval/${task}.safetensors`)])
      const [measured] = await evaluation.measure(model, suite, [weights])

      const { losses, correct } = measured!
      const counts = suite.shards.flatMap(({ items }) => items.map(targetsOf))
      const targets = counts.reduce((sum, count) => sum + count, 0)
      const loss = losses.reduce((sum, item, i) => sum + item * counts[i]!, 0) / targets
      assert.ok(Math.abs(loss / expected.loss - 1) < 1e-4, `${loss} is not ${expected.loss}`)
      expected.per_example_loss?.forEach((item, i) => {
        assert.ok(Math.abs(losses[i]! - item) < 1e-4 * Math.max(1, item), `item ${i}: ${losses[i]}`)
      })
      if (family !== 'vit-tiny') return
      const apart = Math.abs(mean(correct) - expected.acc!) * losses.length
      assert.ok(apart < 1.01, `${apart} items are classed differently`)
    })
  }
})
