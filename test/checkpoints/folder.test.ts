import assert from 'node:assert/strict'
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { castCheckpoint } from '../../src/checkpoints/cast.ts'
import { type ModelFolder, openFolder } from '../../src/checkpoints/folder.ts'
import { splitIntoShards } from '../../src/checkpoints/shards.ts'
import { sameTensor, streamTensor } from '../../src/checkpoints/stream.ts'
import { writeFolder } from '../../src/checkpoints/write-folder.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import { memoryCheckpoint, withFolder } from './memory.ts'

const demo = fileURLToPath(new URL('../../node/demo/data/', import.meta.url))

const two = memoryCheckpoint({
  a: ['F32', [2], new Float32Array([1, 2])],
  b: ['F32', [3], new Float32Array([3, 4, 5])],
})

function contentOf(checkpoint: Checkpoint) {
  return {
    tensors: checkpoint.tensors.values(),
    chunks: (name: string) => streamTensor(checkpoint, checkpoint.tensors.get(name)!),
  }
}

async function withModel<T>(path: string, use: (model: ModelFolder) => Promise<T>): Promise<T> {
  const model = await openFolder(path)
  try {
    return await use(model)
  } finally {
    await model.close()
  }
}

async function assertEqual(a: Checkpoint, b: Checkpoint): Promise<void> {
  assert.deepEqual([...a.tensors], [...b.tensors])
  for (const spec of a.tensors.values()) assert.ok(await sameTensor(a, spec, b, spec), spec.name)
}

describe('a model folder', () => {
  it('knows its configuration, its architecture and its side files', async () => {
    await withModel(join(demo, 'base'), async ({ architecture, config, sideFiles, checkpoint }) => {
      assert.equal(architecture, 'vit')
      assert.equal(config?.get('hidden_size'), 96)
      assert.deepEqual(sideFiles, ['config.json'])
      assert.equal(checkpoint.tensors.size, 72)
    })
  })

  it('may be a single file with the configuration beside it, or without one', async () => {
    const file = join(demo, 'base', 'model.safetensors')
    await withModel(file, async ({ architecture }) => assert.equal(architecture, 'vit'))
    await withFolder(async (folder) => {
      await copyFile(file, join(folder, 'other.safetensors'))
      await withModel(join(folder, 'other.safetensors'), async ({ architecture, config }) => {
        assert.equal(architecture, undefined)
        assert.equal(config, undefined)
      })
    })
  })

  it('is refused when it holds pickles, or no model, or does not exist', async () => {
    await withFolder(async (folder) => {
      await assert.rejects(openFolder(folder), { id: 'E_MODEL_MISSING' })
      await writeFile(join(folder, 'pytorch_model.bin'), 'x')
      const refused = { name: 'InvalidInputError', id: 'E_PICKLE' }
      await assert.rejects(openFolder(folder), refused)
      await assert.rejects(openFolder(join(folder, 'pytorch_model.bin')), refused)
      await assert.rejects(openFolder(join(folder, 'none')), { id: 'E_FILE_MISSING' })
    })
  })

  it('is refused when its configuration has a key twice', async () => {
    await withFolder(async (folder) => {
      await copyFile(join(demo, 'base', 'model.safetensors'), join(folder, 'model.safetensors'))
      await writeFile(join(folder, 'config.json'), '{"model_type":"vit","model_type":"llama"}')
      await assert.rejects(openFolder(folder), { name: 'MalformedError', id: 'E_BAD_JSON' })
    })
  })
})

describe('a shard index', () => {
  const index = 'model.safetensors.index.json'
  const [first, second] = [1, 2].map((i) => `model-0000${i}-of-00002.safetensors`) as [
    string,
    string,
  ]

  async function rejects(weightMap: unknown, id: string, text?: string): Promise<void> {
    await withFolder(async (folder) => {
      await writeFolder(join(folder, 'm'), { ...contentOf(two), shardBytes: 8 })
      const json = text ?? JSON.stringify({ metadata: {}, weight_map: weightMap })
      await writeFile(join(folder, 'm', index), json)
      await assert.rejects(openFolder(join(folder, 'm')), { id })
    })
  }

  it('is refused when a tensor is not where it says, unlisted, or listed elsewhere', async () => {
    await rejects({ a: first, b: second, c: second }, 'E_SHARD_INDEX')
    await rejects({ a: first, b: first }, 'E_SHARD_INDEX')
    await rejects({ a: second, b: second }, 'E_SHARD_INDEX')
    await rejects({ a: second, b: first }, 'E_SHARD_INDEX')
  })

  it('is refused when a shard is missing or its name is a path', async () => {
    await rejects({ a: first, b: 'model-00003-of-00002.safetensors' }, 'E_FILE_MISSING')
    for (const name of [
      `../m/${second}`,
      `/tmp/${second}`,
      `..\\${second}`,
      'x.bin',
      '',
      1,
      null,
    ]) {
      await rejects({ a: first, b: name }, 'E_SHARD_INDEX')
    }
  })

  it('is refused when it is no weight map, or has a name twice', async () => {
    await rejects(undefined, 'E_SHARD_INDEX')
    await rejects([first], 'E_SHARD_INDEX')
    const twice = `{"weight_map":{"a":"${first}","b":"${second}","b":"${second}"}}`
    await rejects(undefined, 'E_BAD_JSON', twice)
  })

  it('is refused when a tensor lies in two shards', async () => {
    await withFolder(async (folder) => {
      const model = join(folder, 'm')
      await writeFolder(model, { ...contentOf(two), shardBytes: 8 })
      await writeFolder(join(folder, 'whole'), contentOf(two))
      await writeFile(
        join(model, second),
        await readFile(join(folder, 'whole', 'model.safetensors')),
      )
      await assert.rejects(openFolder(model), { id: 'E_SHARD_INDEX' })
    })
  })
})

describe('a written model folder', () => {
  it('has the same weights bit for bit, in f32, bf16 and f16', async () => {
    await withModel(join(demo, 'base'), async ({ checkpoint }) => {
      for (const dtype of ['F32', 'BF16', 'F16'] as const) {
        const cast = castCheckpoint(checkpoint, dtype, openKernels())
        await withFolder(async (folder) => {
          await writeFolder(join(folder, 'm'), contentOf(cast))
          await withModel(join(folder, 'm'), (model) => assertEqual(model.checkpoint, cast))
        })
      }
    })
  })

  it('is the same file, byte for byte, as the one it was read from but for metadata', async () => {
    await withModel(join(demo, 'base'), async ({ checkpoint }) => {
      await withFolder(async (folder) => {
        await writeFolder(join(folder, 'a'), contentOf(checkpoint))
        await withModel(join(folder, 'a'), (again) =>
          writeFolder(join(folder, 'b'), contentOf(again.checkpoint)),
        )
        const [a, b] = await Promise.all(
          ['a', 'b'].map((name) => readFile(join(folder, name, 'model.safetensors'))),
        )
        assert.ok(a!.equals(b!))
        const original = await readFile(join(demo, 'base', 'model.safetensors'))
        const dataBytes = 1_852_016
        assert.ok(a!.subarray(-dataBytes).equals(original.subarray(-dataBytes)))
      })
    })
  })

  it('is split into shards of at most the given size, with an index', async () => {
    await withModel(join(demo, 'base'), async ({ checkpoint }) => {
      await withFolder(async (folder) => {
        const progress: number[] = []
        await writeFolder(
          join(folder, 'm'),
          { ...contentOf(checkpoint), sideFilesFrom: join(demo, 'base'), shardBytes: 500_000 },
          { onProgress: (done, total) => progress.push(done / total) },
        )
        assert.deepEqual(await readdir(join(folder, 'm')), [
          'config.json',
          ...[1, 2, 3, 4, 5].map((i) => `model-0000${i}-of-00005.safetensors`),
          'model.safetensors.index.json',
        ])
        const index = JSON.parse(
          await readFile(join(folder, 'm', 'model.safetensors.index.json'), 'utf8'),
        ) as { metadata: unknown; weight_map: Record<string, string> }
        assert.deepEqual(index.metadata, { total_size: 1_852_016 })
        assert.deepEqual(Object.keys(index.weight_map), [...checkpoint.tensors.keys()])
        assert.equal(progress.at(-1), 1)
        assert.deepEqual(
          progress,
          progress.toSorted((a, b) => a - b),
        )
        const [config, original] = await Promise.all([
          readFile(join(folder, 'm', 'config.json')),
          readFile(join(demo, 'base', 'config.json')),
        ])
        assert.ok(config.equals(original))
        await withModel(join(folder, 'm'), (model) => assertEqual(model.checkpoint, checkpoint))
      })
    })
  })

  it('carries tokenizer and licence but no code, and its own configuration', async () => {
    await withFolder(async (folder) => {
      const carried = ['tokenizer.json', 'chat_template.jinja', 'merges.txt', 'LICENSE']
      const left = ['modeling_x.py', 'README.md', 'training_args.bin', 'optimizer.safetensors']
      await mkdir(join(folder, 'from'))
      for (const name of [...carried, ...left, 'config.json']) {
        await writeFile(join(folder, 'from', name), name)
      }
      const config = new Map([['model_type', 'llama']])
      await writeFolder(join(folder, 'm'), {
        ...contentOf(two),
        config,
        sideFilesFrom: join(folder, 'from'),
      })
      const names = [...carried, 'config.json', 'model.safetensors'].sort()
      assert.deepEqual(await readdir(join(folder, 'm')), names)
      await withModel(join(folder, 'm'), async (model) => assert.deepEqual(model.config, config))
    })
  })

  it('does not appear when writing is aborted', async () => {
    await withFolder(async (folder) => {
      const controller = new AbortController()
      const written = writeFolder(
        join(folder, 'm'),
        { ...contentOf(two), shardBytes: 8 },
        { signal: controller.signal, onProgress: () => controller.abort(new Error('stop')) },
      )
      await assert.rejects(written, /stop/)
      assert.deepEqual(await readdir(folder), [])
    })
  })

  it('does not replace a folder with contents', async () => {
    await withFolder(async (folder) => {
      await writeFile(join(folder, 'mine'), 'x')
      await assert.rejects(writeFolder(folder, contentOf(two)), { id: 'E_TARGET_EXISTS' })
      assert.deepEqual(await readdir(folder), ['mine'])
    })
  })
})

const spec = (name: string, n: number) => ({ name, dtype: 'U8', shape: [n] }) as const

describe('splitting into shards', () => {
  it('gives a tensor above the limit a shard of its own', () => {
    const shards = splitIntoShards([spec('c', 9), spec('a', 2), spec('b', 2), spec('d', 1)], 4)
    assert.deepEqual(
      shards.map(({ specs }) => specs.map(({ name }) => name)),
      [['a', 'b'], ['c'], ['d']],
    )
  })
})
