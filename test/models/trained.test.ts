import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { mean, modelOf, openEvaluation, suiteOfFiles } from '../../scripts/bench/measured-suite.ts'
import { dataPath } from '../support/shared.ts'

/** What PyTorch measured in f32: by model and task. */
interface Reference {
  readonly models: Readonly<Record<string, { readonly f32: Readonly<Record<string, Figures>> }>>
}

interface Figures {
  readonly loss: number
  readonly acc?: number
  readonly per_example_loss?: readonly number[]
}

function reference(name: string): Reference {
  return JSON.parse(readFileSync(dataPath(`reference/${name}.json`), 'utf8')) as Reference
}

const demo = fileURLToPath(new URL('../../node/demo/data', import.meta.url))

describe('trained models', () => {
  let evaluation: Awaited<ReturnType<typeof openEvaluation>>
  before(async () => {
    evaluation = await openEvaluation()
  })
  after(() => evaluation.close())

  for (const names of [
    ['base', 'digits', 'kana'],
    ['fashion', 'latin'],
  ]) {
    it(`the vision transformers ${names.join(', ')} have the figures that PyTorch gives`, () =>
      compareVisionTransformers(names))
  }

  async function compareVisionTransformers(names: readonly string[]): Promise<void> {
    const tasks = ['digits', 'fashion', 'latin', 'kana']
    const model = await modelOf(`${demo}/base/config.json`)
    const variants = await Promise.all(
      names.map((name) =>
        evaluation.weights(`${demo}/${name}${name === 'base' ? '' : '-light'}/model.safetensors`),
      ),
    )
    const files = tasks.map((task) => evaluation.open(`${demo}/eval/${task}.safetensors`))
    const suite = await suiteOfFiles(await Promise.all(files))
    const measured = await evaluation.measure(model, suite, variants)

    for (const [v, name] of names.entries()) {
      for (const [t, task] of tasks.entries()) {
        const expected = reference('vit').models[name]!.f32[task]!
        const losses = measured[v]!.losses.slice(600 * t, 600 * (t + 1))
        const right = mean(measured[v]!.correct.slice(600 * t, 600 * (t + 1)))
        assertClose(mean(losses), expected.loss, `${name} on ${task}`)
        assert.ok(Math.abs(right - expected.acc!) < 1.01 / 600, `${name} on ${task}: ${right}`)
        expected.per_example_loss?.forEach((loss, i) => {
          assertClose(losses[i]!, loss, `${name} on ${task}, item ${i}`)
        })
      }
    }
    assert.equal(evaluation.kernels.allocated, 0)
  }

  it('two language models have the losses that PyTorch gives', async () => {
    const folder = dataPath('llama')
    const model = await modelOf(`${folder}/base/config.json`)
    const names = ['base', 'de']
    const variants = await Promise.all(
      names.map((name) => evaluation.weights(`${folder}/${name}/model.safetensors`)),
    )
    const tasks = ['de', 'en']
    const files = tasks.map((task) => evaluation.open(`${folder}/eval/${task}.safetensors`))
    const suite = await suiteOfFiles(await Promise.all(files))
    const measured = await evaluation.measure(model, suite, variants)

    for (const [v, name] of names.entries()) {
      for (const [t, task] of tasks.entries()) {
        const expected = reference('llama').models[name]!.f32[task]!
        const losses = measured[v]!.losses.slice(32 * t, 32 * (t + 1))
        assertClose(mean(losses), expected.loss, `${name} on ${task}`)
        expected.per_example_loss?.forEach((loss, i) => {
          assertClose(losses[i]!, loss, `${name} on ${task}, item ${i}`)
        })
      }
    }
    assert.equal(evaluation.kernels.allocated, 0)
  })
})

/** Within 10⁻⁵ nat and the last digit of the reference, which is given to six. */
function assertClose(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) < 1e-5, `${what}: ${actual} is not ${expected}`)
}
