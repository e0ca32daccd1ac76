import assert from 'node:assert/strict'
import type { Weights } from '../../src/checkpoints/weights.ts'
import type { Runtime } from '../../src/compute/onnxruntime.ts'
import { createEvaluator, type MeasuredSuite } from '../../src/evaluation/evaluate.ts'
import type { Model } from '../../src/models/index.ts'
import { mean, modelOf, openEvaluation, suiteOfFiles } from '../../scripts/bench/measured-suite.ts'
import { dataPath, demoPath } from '../support/shared.ts'
import { openTestRuntime } from '../support/test-device.ts'
import { openDemo } from '../support/variants.ts'

describe('evaluation on a device', function () {
  this.timeout(60_000)
  let evaluation: Awaited<ReturnType<typeof openEvaluation>>
  let runtime: Runtime
  before(async () => {
    evaluation = await openEvaluation()
    runtime = await openTestRuntime(evaluation.kernels)
  })
  after(async () => {
    await runtime.close()
    await evaluation.close()
    assert.equal(evaluation.kernels.allocated, 0)
  })

  /** Losses of each variant on the CPU and on the device. */
  async function both(model: Model, suite: MeasuredSuite, variants: readonly Weights[]) {
    const cpu = await evaluation.measure(model, suite, variants)
    const device: number[][] = variants.map(() => [])
    const evaluator = createEvaluator({ kernels: evaluation.kernels, runtime })
    for await (const { variant, losses } of evaluator.measure(model, suite, variants)) {
      device[variant]!.push(...losses)
    }
    await evaluator.close()
    return cpu.map(({ losses }, i) => ({ cpu: losses, device: device[i]! }))
  }

  async function suiteOf(path: string, items: number): Promise<MeasuredSuite> {
    const { root, shards } = await suiteOfFiles([await evaluation.open(path)])
    return { root, shards: [{ index: 0, items: shards[0]!.items.slice(0, items) }] }
  }

  it('gives images the losses of the CPU within 1e-4, of recipes that are made there too', async () => {
    await using demo = await openDemo(evaluation.kernels)
    const trimmed = await demo.edit('trim', { density: 0.3 })
    let made = 0
    const counted: Weights = {
      ...trimmed,
      async loadOn(device, name) {
        const tensor = await trimmed.loadOn!(device, name)
        if (tensor !== undefined) made++
        return tensor
      },
    }
    const model = await modelOf(demoPath('base/config.json'))
    const suite = await suiteOf(demoPath('eval/kana.safetensors'), 4)
    const losses = await both(model, suite, [await demo.expert('base'), counted])
    for (const { cpu, device } of losses) assertClose(device, cpu, 1e-4)
    assert.ok(Math.abs(mean(losses[0]!.device) - mean(losses[1]!.device)) > 1e-2)
    assert.ok(made > 10, `${made} tensors were made there`)
  })

  it('gives texts the mean loss of the CPU within 1e-5', async () => {
    const model = await modelOf(dataPath('llama/base/config.json'))
    const weights = await evaluation.weights(dataPath('llama/base/model.safetensors'))
    const suite = await suiteOf(dataPath('llama/eval/de.safetensors'), 2)
    const [losses] = await both(model, suite, [weights])
    assert.ok(Math.abs(mean(losses!.device) - mean(losses!.cpu)) < 1e-5)
    assertClose(losses!.device, losses!.cpu, 1e-4)
  })

  it('makes no weights of BF16 there, whose rounding is the kernels’', async () => {
    await using demo = await openDemo(evaluation.kernels)
    const variant = await demo.variant(
      { operator: 'trim', parameters: { density: 0.3 }, inputs: [demo.leaves.kana] },
      { dtype: 'BF16' },
    )
    const never = { upload: () => assert.fail('uploaded') } as never
    for (const name of variant.tensors.keys()) {
      assert.equal(await variant.loadOn!(never, name), undefined)
    }
  })
})

function assertClose(actual: readonly number[], expected: readonly number[], most: number): void {
  assert.equal(actual.length, expected.length)
  actual.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]!) <= most, `item ${i}: ${value}, not ${expected[i]}`)
  })
}
