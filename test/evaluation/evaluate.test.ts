import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import type { Weights } from '../../src/checkpoints/weights.ts'
import type { Runtime } from '../../src/compute/onnxruntime.ts'
import {
  createEvaluator,
  type MeasuredSuite,
  type MeasureOptions,
} from '../../src/evaluation/evaluate.ts'
import { IGNORED_TARGET, type SuiteItem, type TextItem } from '../../src/evaluation/suite.ts'
import type { Model } from '../../src/models/index.ts'
import { elementsOf } from '../../src/tensors/tensor.ts'
import {
  modelOf,
  openEvaluation,
  suiteOf,
  suiteOfFiles,
} from '../../scripts/bench/measured-suite.ts'
import { dataPath } from '../support/shared.ts'

const demo = fileURLToPath(new URL('../../node/demo/data', import.meta.url))

describe('createEvaluator', () => {
  let evaluation: Awaited<ReturnType<typeof openEvaluation>>
  let texts: { model: Model; weights: Weights; suite: MeasuredSuite }
  let images: { model: Model; weights: Weights; suite: MeasuredSuite }

  before(async () => {
    evaluation = await openEvaluation()
    const llama = dataPath('llama')
    texts = {
      model: await modelOf(`${llama}/base/config.json`),
      weights: await evaluation.weights(`${llama}/base/model.safetensors`),
      suite: await suiteOfFiles([await evaluation.open(`${llama}/eval/de.safetensors`)]),
    }
    const digits = await suiteOfFiles([await evaluation.open(`${demo}/eval/digits.safetensors`)])
    images = {
      model: await modelOf(`${demo}/base/config.json`),
      weights: await evaluation.weights(`${demo}/base/model.safetensors`),
      suite: { ...digits, shards: digits.shards.slice(0, 3) },
    }
  })
  after(() => evaluation.close())

  async function losses(suite: MeasuredSuite, { model, weights } = images): Promise<number[]> {
    return (await evaluation.measure(model, suite, [weights]))[0]!.losses
  }

  async function drain(
    { model, suite, weights } = images,
    options: MeasureOptions = {},
  ): Promise<void> {
    for await (const _ of evaluation.evaluator.measure(model, suite, [weights], options)) continue
  }

  it('yields every variant of every shard, shards in the given order', async () => {
    const { model, suite, weights } = images
    const shards = [2, 0].map((index) => suite.shards[index]!)
    const seen: number[][] = []
    const all = evaluation.evaluator.measure(model, { ...suite, shards }, [weights, weights])
    for await (const { shard, variant, losses } of all) seen.push([shard, variant, losses.length])
    assert.deepEqual(seen, [
      [2, 0, 32],
      [2, 1, 32],
      [0, 0, 32],
      [0, 1, 32],
    ])
  })

  it('gives an item the same loss alone, in its shard and among all shards', async () => {
    const { suite } = images
    const all = await losses(suite)
    assertSame(await losses({ ...suite, shards: [suite.shards[1]!] }), all.slice(32, 64))
    const alone = suite.shards[2]!.items.slice(3, 4)
    assertSame(await losses({ ...suite, shards: [{ index: 0, items: alone }] }), [all[67]!])
  })

  it('gives the same losses up to rounding in many passes and in batches of one', async () => {
    for (const each of [images, { ...texts, suite: firstItems(texts.suite, 6) }]) {
      const small = await openEvaluation({ passBytes: 1, runTokens: 1 })
      const actual = await small.measure(each.model, each.suite, [each.weights])
      assertSame(actual[0]!.losses, await losses(each.suite, each), 1e-5)
      await small.close()
    }
  })

  it('pads texts of any length without changing their losses', async () => {
    const { root, shards } = texts.suite
    const rows = shards[0]!.items.slice(0, 4) as TextItem[]
    const lengths = [1, 17, 30, 255]
    const cut = rows.map((row, i) => take(row, lengths[i]!, lengths[i]!))
    const masked = rows.map((row, i) => take(row, 256, lengths[i]!))
    assertSame(await losses(suiteOf(root, cut), texts), await losses(suiteOf(root, masked), texts))
  })

  it('gives losses that are not finite for weights that are not finite', async () => {
    for (const [{ model, suite, weights }, name] of [
      [images, 'vit.layernorm.weight'],
      [{ ...texts, suite: firstItems(texts.suite, 2) }, 'model.norm.weight'],
    ] as const) {
      const broken: Weights = {
        tensors: weights.tensors,
        async load(tensor, out) {
          await weights.load(tensor, out)
          if (tensor === name) out.f32.fill(NaN)
        },
      }
      const [good, bad] = await evaluation.measure(model, suite, [weights, broken])
      assert.ok(good!.losses.every(Number.isFinite))
      assert.ok(bad!.losses.every(Number.isNaN))
      assert.ok(bad!.correct.every((correct) => correct === 0))
    }
  })

  it('refuses items that do not fit the model before anything runs', async () => {
    const { root } = texts.suite
    const image = images.suite.shards[0]!.items[0]!
    const refused: [{ model: Model; weights: Weights }, MeasuredSuite, RegExp][] = [
      [texts, suiteOf(root, [text([1, 1024], [2, 3])]), /ids of item 0 .* \[0, 1024\), got 1024/],
      [texts, suiteOf(root, [text([1, -1], [2, 3])]), /ids of item 0 of shard 0 .* got -1/],
      [texts, suiteOf(root, [text([1], [5000])]), /targets of item 0 .* got 5000/],
      [texts, suiteOf(root, [text([1, 2], [3])]), /one target per id, got 1 for 2/],
      [texts, suiteOf(root, [text([1], [IGNORED_TARGET])]), /at least one target, got none/],
      [texts, suiteOf(root, [text([], [])]), /1 to 256 ids, got 0/],
      [texts, suiteOf(root, [text(Array(257).fill(1), Array(257).fill(1))]), /got 257/],
      [texts, suiteOf(root, [image]), /of modality language/],
      [images, suiteOf(images.suite.root, [text([1], [1])]), /of modality image/],
      [
        images,
        suiteOf(images.suite.root, [{ ...image, label: 10 } as SuiteItem]),
        /\[0, 10\), got 10/,
      ],
      [images, suiteOf(images.suite.root, [{ ...image, task: 1 }]), /below 1, got 1/],
      [
        images,
        suiteOf(images.suite.root, [{ ...image, pixels: new Uint8Array(3) } as SuiteItem]),
        /784 bytes, got 3/,
      ],
      [
        images,
        suiteOf({ ...images.suite.root, tasks: [{ name: 'x', labelOffset: 90, labels: 3 }] }, [
          image,
        ]),
        /within the model's 92, got 90 \+ 3/,
      ],
    ]
    for (const [{ model, weights }, suite, message] of refused) {
      await assert.rejects(drain({ model, weights, suite }, { onProgress: fail }), {
        id: 'E_BAD_ITEM',
        message,
      })
    }
  })

  it('refuses weights of another model before anything runs', async () => {
    await assert.rejects(drain({ ...images, weights: texts.weights }), { id: 'E_WEIGHTS_MISFIT' })
  })

  it('counts its runs and stops between two when the signal says so', async () => {
    const runs: number[] = []
    await drain(images, { onProgress: ({ run, runs: all }) => runs.push(run / all) })
    assert.equal(runs.length, 3 * 6)
    assert.equal(runs.at(-1), 1)

    const stop = new AbortController()
    const reason = new Error('enough')
    const onProgress = ({ run }: { run: number }): void => {
      assert.ok(run <= 4)
      if (run === 4) stop.abort(reason)
    }
    await assert.rejects(drain(images, { signal: stop.signal, onProgress }), reason)
    assert.equal(evaluation.kernels.allocated, 0)
  })

  it('gives its memory back when weights cannot be loaded', async () => {
    const { weights } = images
    const failing: Weights = {
      tensors: weights.tensors,
      load: (name, out) =>
        name.includes('layer.2.') ? Promise.reject(new Error('gone')) : weights.load(name, out),
    }
    await assert.rejects(drain({ ...images, weights: failing }), { message: 'gone' })
    assert.equal(evaluation.kernels.allocated, 0)
  })

  it('needs the weights of two parts and the hidden states, however deep the model', async () => {
    const own = await openEvaluation()
    const { model, suite } = texts
    const weights = await own.weights(`${dataPath('llama')}/base/model.safetensors`)
    await own.measure(model, suite, [weights])
    const layer = model
      .parts(1, 1)[1]!
      .program.weights.reduce((sum, { shape }) => sum + 4 * elementsOf(shape), 0)
    const hidden = 32 * 256 * 128 * 4
    const run = 2 * 1024 * 128 * 4
    assert.ok(own.kernels.peak <= 2 * layer + hidden + run, `${own.kernels.peak} bytes`)
    await own.close()
  })

  it('makes a session once for all layers, variants and calls', async () => {
    const { kernels } = evaluation
    let made = 0
    let released = 0
    const fake = {
      device: 'cpu',
      session() {
        made++
        return Promise.resolve({
          run: () => Promise.resolve(),
          release: () => Promise.resolve(void released++),
        })
      },
    } as Partial<Runtime> as Runtime
    const evaluator = createEvaluator({ kernels, runtime: fake })
    const { model, suite, weights } = images
    for (let call = 0; call < 2; call++) {
      for await (const _ of evaluator.measure(model, suite, [weights, weights])) continue
    }
    assert.deepEqual([made, released], [3, 0])
    await evaluator.close()
    assert.deepEqual([made, released], [3, 3])
  })
})

function text(ids: readonly number[], targets: readonly number[]): TextItem {
  return { task: 0, ids: int32Bytes(ids), targets: int32Bytes(targets) }
}

function int32Bytes(values: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer)
}

function fail(): never {
  assert.fail('something ran')
}

function firstItems(suite: MeasuredSuite, count: number): MeasuredSuite {
  return { ...suite, shards: [{ index: 0, items: suite.shards[0]!.items.slice(0, count) }] }
}

/** The first `length` tokens of a text, with targets at the first `targets` of them. */
function take(item: TextItem, length: number, targets: number): TextItem {
  const kept = new Int32Array(length).fill(IGNORED_TARGET)
  kept.set(new Int32Array(item.targets.slice().buffer).subarray(0, targets))
  return { ...item, ids: item.ids.slice(0, 4 * length), targets: new Uint8Array(kept.buffer) }
}

function assertSame(
  actual: readonly number[],
  expected: readonly number[],
  tolerance = 1e-6,
): void {
  assert.equal(actual.length, expected.length)
  expected.forEach((value, i) => {
    assert.ok(Math.abs(actual[i]! - value) <= tolerance, `[${i}] ${actual[i]} is not ${value}`)
  })
}
