import assert from 'node:assert/strict'
import type { OpenCheckpoint } from '../../src/checkpoints/files.ts'
import { IGNORED_TARGET, type SuiteItem } from '../../src/evaluation/suite.ts'
import { mean, modelOf, openEvaluation, suiteOf } from '../../scripts/bench/measured-suite.ts'
import { sharedPath, skip } from '../support/shared.ts'

describe('models as transformers saves them', () => {
  let evaluation: Awaited<ReturnType<typeof openEvaluation>>
  before(async () => {
    evaluation = await openEvaluation()
  })
  after(() => evaluation.close())

  it('vit gives its losses per example', async function () {
    const folder = sharedPath('conformance/models/vit') ?? skip(this, 'no conformance models')
    const golden = await evaluation.open(`${folder}/golden_io.safetensors`)
    const labels = await integers(golden, 'labels')
    const pixels = await bytes(golden, 'pixel_values')
    const size = pixels.length / labels.length
    const items = labels.map((label, i) => ({
      task: 0,
      pixels: pixels.slice(i * size, (i + 1) * size),
      label,
    }))
    const image = { shape: [3, 32, 32], encoding: 'f32', mean: 0, deviation: 1 } as const
    const suite = suiteOf({ modality: 'image', tasks: [{ name: 'golden' }], image }, items)
    const [measured] = await measure(folder, suite)
    assertClose(measured!.losses, await floats(golden, 'loss_per_example'))

    const logits = await floats(golden, 'logits')
    const best = labels.map((label, i) => {
      const own = logits.slice(10 * i, 10 * (i + 1))
      return own.indexOf(Math.max(...own)) === label ? 1 : 0
    })
    assert.deepEqual(measured!.correct, best)
  })

  it('llama with tied embeddings gives its losses per token', async function () {
    const folder =
      sharedPath('conformance/models/llama_tied') ?? skip(this, 'no conformance models')
    const golden = await evaluation.open(`${folder}/golden_io.safetensors`)
    const ids = await integers(golden, 'input_ids')
    const losses = await floats(golden, 'loss_per_token')
    // One item per token with a target, so that each loss is seen alone; then one per row.
    const rows = [0, 1, 2].map((row) => ids.slice(24 * row, 24 * (row + 1)))
    const single = rows.flatMap((row) =>
      row.slice(1).map((next, t) => text(row, (at) => (at === t ? next : IGNORED_TARGET))),
    )
    const whole = rows.map((row) => text(row, (t) => row[t + 1] ?? IGNORED_TARGET))
    const suite = suiteOf({ modality: 'language', tasks: [{ name: 'golden' }] }, [
      ...single,
      ...whole,
    ])
    const [measured] = await measure(folder, suite)
    const means = rows.map((_, row) => mean(losses.slice(23 * row, 23 * (row + 1))))
    assertClose(measured!.losses, [...losses, ...means])
  })

  async function measure(folder: string, suite: Parameters<typeof evaluation.measure>[1]) {
    const weights = await evaluation.weights(`${folder}/model.safetensors`)
    return await evaluation.measure(await modelOf(`${folder}/config.json`), suite, [weights])
  }
})

function text(ids: readonly number[], target: (t: number) => number): SuiteItem {
  return { task: 0, ids: int32Bytes(ids), targets: int32Bytes(ids.map((_, t) => target(t))) }
}

function int32Bytes(values: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer)
}

async function bytes(file: OpenCheckpoint, name: string): Promise<Uint8Array> {
  const { shape, dtype } = file.tensors.get(name)!
  const into = new Uint8Array(shape.reduce((a, b) => a * b, dtype === 'I64' ? 8 : 4))
  await file.read(name, 0, into)
  return into
}

async function floats(file: OpenCheckpoint, name: string): Promise<number[]> {
  return [...new Float32Array((await bytes(file, name)).buffer)]
}

async function integers(file: OpenCheckpoint, name: string): Promise<number[]> {
  return [...new BigInt64Array((await bytes(file, name)).buffer)].map(Number)
}

function assertClose(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length)
  expected.forEach((value, i) => {
    assert.ok(Math.abs(actual[i]! - value) < 2e-5, `[${i}] ${actual[i]} is not ${value}`)
  })
}
