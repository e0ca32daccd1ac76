import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { castCheckpoint } from '../../src/checkpoints/cast.ts'
import { openFolder } from '../../src/checkpoints/folder.ts'
import { streamTensor } from '../../src/checkpoints/stream.ts'
import { tiedTensors } from '../../src/checkpoints/tied.ts'
import { weightsId } from '../../src/checkpoints/weights-id.ts'
import { writeFolder } from '../../src/checkpoints/write-folder.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import { dataPath, sharedPath, skip } from '../support/shared.ts'
import { memoryCheckpoint, withFolder } from './memory.ts'

const demoBase = fileURLToPath(new URL('../../node/demo/data/base', import.meta.url))

async function idOf(path: string): Promise<string> {
  const model = await openFolder(path)
  try {
    return (await weightsId(model.checkpoint)).id.toString()
  } finally {
    await model.close()
  }
}

const values = (): Float32Array => Float32Array.from({ length: 12 }, (_, i) => i - 3)

const small = (entries: Parameters<typeof memoryCheckpoint>[0] = {}): Checkpoint =>
  memoryCheckpoint({ w: ['F32', [3, 4], values()], ...entries })

const smallId = async (checkpoint: Checkpoint): Promise<string> =>
  (await weightsId(checkpoint)).id.toString()

const head = (x: Float32Array) => ({ 'lm_head.weight': ['F32', [3, 4], x] }) as const

describe('a weights id', () => {
  // Made once by a separate program with its own header reader and CBOR writer.
  it('has the golden value for known models', async () => {
    const vit = 'bafyreif2yfn77itle2g57z2uuxc5oftjkxkwag5zszvsqvehlwz5gdypmq'
    const llama = 'bafyreigxrfvq7mtnm74juh2c4slx2adi55ze3m4nxoxvub4njmfrpaehlu'
    assert.equal(await idOf(demoBase), vit)
    assert.equal(await idOf(dataPath('llama/base')), llama)
  })

  it('does not read tensors whose sha256 is known', async () => {
    const checkpoint = small({ v: ['F32', [12], values().map((x) => 2 * x)] })
    const { id, tensors } = await weightsId(checkpoint)
    const known = new Map(tensors.map(({ name, sha256 }) => [name, sha256]))
    const unreadable = { ...checkpoint, read: () => Promise.reject(new Error('read')) }
    assert.ok((await weightsId(unreadable, { known })).id.equals(id))
    known.delete('v')
    await assert.rejects(weightsId(unreadable, { known }), /read/)
  })

  it('is the same for a single file and for shards', async function () {
    const single = sharedPath('data/llama-tiny/base/model.bf16.safetensors')
    const sharded = sharedPath('data/llama-tiny/base-sharded')
    if (single === undefined || sharded === undefined) {
      return skip(this, 'data/llama-tiny is not beside the repository')
    }
    const golden = 'bafyreidvgqlxh27x77nxm3hhxb6biomogwrwt3cl4l3inigf27aaiswt5i'
    assert.equal(await idOf(single), golden)
    assert.equal(await idOf(sharded), golden)
  })

  it('does not change when files are renamed or sharded anew', async () => {
    const model = await openFolder(demoBase)
    const { checkpoint } = model
    await withFolder(async (folder) => {
      const path = join(folder, 'another-name')
      await writeFolder(path, {
        tensors: [...checkpoint.tensors.values()].toReversed(),
        chunks: (name) => streamTensor(checkpoint, checkpoint.tensors.get(name)!),
        shardBytes: 300_000,
      })
      assert.equal(await idOf(path), await idOf(demoBase))
    })
    await model.close()
  })

  it('changes with one negated tensor, a name, a shape and a dtype', async () => {
    const ids = await Promise.all([
      smallId(small()),
      smallId(small({ w: ['F32', [3, 4], values().map((x) => -x)] })),
      smallId(memoryCheckpoint({ v: ['F32', [3, 4], values()] })),
      smallId(small({ w: ['F32', [4, 3], values()] })),
      smallId(small({ w: ['I32', [3, 4], values()] })),
      smallId(castCheckpoint(small(), 'BF16', openKernels())),
    ])
    assert.equal(new Set(ids).size, 6)
  })

  it('lists the sha256 of every tensor in the order of names', async () => {
    const { tensors } = await weightsId(small({ b: ['U8', [0], new Uint8Array(0)] }))
    assert.deepEqual(
      tensors.map(({ name, sha256 }) => [name, Buffer.from(sha256).toString('hex')]),
      [
        ['b', createHash('sha256').digest('hex')],
        ['w', createHash('sha256').update(values()).digest('hex')],
      ],
    )
  })

  it('counts a tied copy once and records it', async () => {
    const embedding = { 'model.embed_tokens.weight': ['F32', [3, 4], values()] } as const
    const tied = memoryCheckpoint({ ...embedding, ...head(values()) })
    const { id, tensors, tied: ties } = await weightsId(tied)
    assert.equal(id.toString(), await smallId(memoryCheckpoint(embedding)))
    assert.equal(tensors.length, 1)
    assert.deepEqual([...ties], [['lm_head.weight', 'model.embed_tokens.weight']])
    assert.deepEqual(await tiedTensors(tied), ties)

    const untied = memoryCheckpoint({ ...embedding, ...head(values().fill(7, 11)) })
    assert.equal((await weightsId(untied)).tensors.length, 2)
    assert.equal((await tiedTensors(untied)).size, 0)
    const flat = memoryCheckpoint({ ...embedding, 'lm_head.weight': ['F32', [12], values()] })
    assert.equal((await tiedTensors(flat)).size, 0)
  })

  it('counts bytes and stops when it is told to', async () => {
    const progress: number[] = []
    await weightsId(small(), { onProgress: (done, total) => progress.push(done, total) })
    assert.deepEqual(progress, [48, 48])
    await assert.rejects(
      weightsId(small(), { signal: AbortSignal.abort(new Error('stop')) }),
      /stop/,
    )
  })
})
