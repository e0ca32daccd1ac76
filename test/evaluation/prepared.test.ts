import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { openSafetensors } from '../../src/checkpoints/files.ts'
import { buildSuite, splitSuites } from '../../src/evaluation/build-suite.ts'
import { itemsOfPrepared, type PreparedItems } from '../../src/evaluation/prepared.ts'
import { shardTargets, type SuiteItem } from '../../src/evaluation/suite.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import type { DType } from '../../src/tensors/dtype.ts'
import { dataPath } from '../support/shared.ts'

type Contents = Record<string, readonly [DType, readonly number[], ArrayBufferView]>

describe('itemsOfPrepared', () => {
  it('shifts labels by one unless they are said to be shifted', async () => {
    const ids = ['I32', [1, 4], Int32Array.of(5, 6, 7, 8)] as const
    const labels = ['I32', [1, 4], Int32Array.of(-100, 6, 7, 9)] as const
    const targets = async (metadata: Record<string, string>): Promise<number[]> => {
      const { items } = await read({ input_ids: ids, labels }, metadata)
      return numbers(items[0]!, 'targets')
    }
    assert.deepEqual(await targets({}), [6, 7, 9, -100])
    assert.deepEqual(await targets({ labels: 'unshifted' }), [6, 7, 9, -100])
    assert.deepEqual(await targets({ labels: 'shifted' }), [-100, 6, 7, 9])
    assert.deepEqual(await targets({ labels: 'already shifted: see' }), [-100, 6, 7, 9])
  })

  it('takes the next id as the target where there are no labels', async () => {
    const ids = ['I64', [2, 3], BigInt64Array.of(1n, 2n, 3n, 4n, 5n, 6n)] as const
    const other = ['F32', [1], Float32Array.of(1)] as const
    const prepared = await read({ input_ids: ids, attention_mask: other }, { labels: 'shifted' })
    assert.deepEqual(prepared.task, { name: 'task' })
    assert.deepEqual(
      prepared.items.map((item) => numbers(item, 'ids')),
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    )
    assert.deepEqual(
      prepared.items.map((item) => numbers(item, 'targets')),
      [
        [2, 3, -100],
        [5, 6, -100],
      ],
    )
  })

  it('reads u8 pixels of three dimensions as one channel', async () => {
    const pixels = ['U8', [3, 1, 2], Uint8Array.of(1, 2, 3, 4, 5, 6)] as const
    const labels = ['I64', [3], BigInt64Array.of(1n, -100n, 0n)] as const
    const prepared = await read({ pixels, labels }, { label_offset: '10', num_labels: '2' })
    assert.deepEqual(prepared, {
      modality: 'image',
      task: { name: 'task', labelOffset: 10, labels: 2 },
      image: { shape: [1, 1, 2], encoding: 'u8' },
      items: [
        { task: 3, pixels: Uint8Array.of(1, 2), label: 1 },
        { task: 3, pixels: Uint8Array.of(5, 6), label: 0 },
      ],
    })
  })

  it('reads f32 pixel values as they are', async () => {
    const values = Float32Array.of(-1, 0.5, 2, 0)
    const labels = ['U8', [2], Uint8Array.of(0, 1)] as const
    const prepared = await read({ pixel_values: ['F32', [2, 2, 1, 1], values], labels })
    assert.deepEqual(prepared.image, { shape: [2, 1, 1], encoding: 'f32' })
    assert.deepEqual(prepared.items[1], {
      task: 3,
      pixels: new Uint8Array(values.buffer.slice(8)),
      label: 1,
    })
  })

  const ids = ['I32', [1, 2], Int32Array.of(1, 2)] as const
  const pixels = ['U8', [1, 1, 1], Uint8Array.of(1)] as const
  const label = ['I32', [1], Int32Array.of(0)] as const
  const broken: readonly [string, RegExp, Contents, Record<string, string>?][] = [
    ['no input', /input_ids/, { logits: label }],
    ['two inputs', /input_ids and pixels/, { input_ids: ids, pixels, labels: label }],
    ['ids of floats', /`input_ids` as I32/, { input_ids: ['F32', [1, 2], new Float32Array(2)] }],
    ['flat ids', /`input_ids` with 2/, { input_ids: ['I32', [2], Int32Array.of(1, 2)] }],
    ['no rows', /none of them 0/, { input_ids: ['I32', [0, 2], new Int32Array(0)] }],
    [
      'labels of another length',
      /`labels` \[1, 2\]/,
      {
        input_ids: ids,
        labels: ['I32', [1, 3], new Int32Array(3)],
      },
    ],
    [
      'an id below 0',
      /`input_ids\[0\]\[1\]`/,
      { input_ids: ['I32', [1, 2], Int32Array.of(1, -2)] },
    ],
    [
      'a label below −100',
      /`labels\[0\]\[1\]`/,
      {
        input_ids: ids,
        labels: ['I32', [1, 2], Int32Array.of(1, -101)],
      },
    ],
    [
      'a row without targets',
      /`labels\[0\]` with at least/,
      {
        input_ids: ids,
        labels: ['I32', [1, 2], Int32Array.of(1, -100)],
      },
    ],
    [
      'an id beyond i32',
      /`input_ids\[0\]\[0\]`/,
      {
        input_ids: ['I64', [1, 2], BigInt64Array.of(2n ** 40n, 1n)],
      },
    ],
    ['images without labels', /`labels` \[1\] beside/, { pixels }],
    [
      'more labels than images',
      /`labels` \[1\], got \[2\]/,
      {
        pixels,
        labels: ['I32', [2], Int32Array.of(0, 0)],
      },
    ],
    ['labels of floats', /`labels` as U8/, { pixels, labels: ['F32', [1], Float32Array.of(0)] }],
    [
      'a label beyond num_labels',
      /`labels\[0\]` in \[0, 2\)/,
      {
        pixels,
        labels: ['I32', [1], Int32Array.of(2)],
      },
      { num_labels: '2' },
    ],
    ['label_offset alone', /`num_labels`/, { pixels, labels: label }, { label_offset: '2' }],
    [
      'a num_labels that is no number',
      /`num_labels` in/,
      { pixels, labels: label },
      {
        num_labels: '2e1',
      },
    ],
    [
      'pixels of f32',
      /`pixels` as U8/,
      {
        pixels: ['F32', [1, 1, 1], Float32Array.of(0)],
        labels: label,
      },
    ],
    [
      'pixel values of u8',
      /`pixel_values` as F32/,
      {
        pixel_values: ['U8', [1, 1, 1, 1], Uint8Array.of(0)],
        labels: label,
      },
    ],
    [
      'a NaN',
      /`pixel_values\[0\]` finite/,
      {
        pixel_values: ['F32', [1, 1, 1, 1], Float32Array.of(Number.NaN)],
        labels: label,
      },
    ],
  ]
  for (const [what, message, contents, metadata] of broken) {
    it(`names what is wrong with ${what}`, async () => {
      await assert.rejects(read(contents, metadata), { id: 'E_BAD_ITEMS', message })
    })
  }

  it('reads the prepared texts and images of the repository', async () => {
    const texts = await readFile(dataPath('llama/eval/de.safetensors'))
    assert.equal(texts.items.length, 32)
    const counts = shardTargets({ version: 1, kind: 'shard', items: texts.items })
    assert.ok(counts.every((count) => count > 0 && count <= 256))

    const images = await readFile(demoPath('digits'))
    assert.equal(images.items.length, 600)
    assert.deepEqual(images.task, { name: 'task', labelOffset: 0, labels: 10 })
    assert.deepEqual(images.image, { shape: [1, 28, 28], encoding: 'u8' })
  })

  it('and buildSuite make two suites of 300 items per task from the demo', async () => {
    const names = ['digits', 'fashion', 'latin', 'kana']
    const prepared = await Promise.all(names.map((name, task) => readFile(demoPath(name), task)))
    const halves = splitSuites(
      prepared.flatMap(({ items }) => items),
      2,
    )
    const suites = halves.map((items) =>
      buildSuite({
        name: 'demo',
        modality: 'image',
        metric: 'loss',
        tasks: prepared.map(({ task }, i) => ({ ...task, name: names[i]! })),
        items,
        image: { ...prepared[0]!.image!, mean: 0.5, deviation: 0.5 },
        licence: 'mixed',
      }),
    )
    assert.deepEqual(
      suites.map(({ root }) => [root.items, root.shards.length]),
      [
        [1200, 38],
        [1200, 38],
      ],
    )
    assert.equal(new Set(halves.flat()).size, 2400)
  })
})

function read(contents: Contents, metadata: Record<string, string> = {}): Promise<PreparedItems> {
  const bytesOf = new Map(
    Object.entries(contents).map(([name, [, , data]]) => [
      name,
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    ]),
  )
  const checkpoint: Checkpoint = {
    tensors: new Map(
      Object.entries(contents).map(([name, [dtype, shape]]) => [name, { name, dtype, shape }]),
    ),
    read(name, offset, into) {
      into.set(bytesOf.get(name)!.subarray(offset, offset + into.length))
      return Promise.resolve()
    },
  }
  return itemsOfPrepared(checkpoint, new Map(Object.entries(metadata)), { name: 'task', task: 3 })
}

function demoPath(task: string): string {
  const file = new URL(`../../node/demo/data/eval/${task}.safetensors`, import.meta.url)
  return fileURLToPath(file)
}

async function readFile(path: string, task = 0): Promise<PreparedItems> {
  const file = await openSafetensors(path)
  try {
    return await itemsOfPrepared(file, file.metadata, { name: 'task', task })
  } finally {
    await file.close()
  }
}

function numbers(item: SuiteItem, key: 'ids' | 'targets'): number[] {
  assert.ok('ids' in item)
  return [...new Int32Array(item[key].slice().buffer)]
}
