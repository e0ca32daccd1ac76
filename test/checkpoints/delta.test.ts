import assert from 'node:assert/strict'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compareCheckpoints, type Mismatch } from '../../src/checkpoints/compare.ts'
import { deltaTensor } from '../../src/checkpoints/delta.ts'
import { openFolder } from '../../src/checkpoints/folder.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { type DeltaswarmError, IncompatibleError } from '../../src/errors.ts'
import { CHUNK_ELEMENTS } from '../../src/tensors/blocks.ts'
import type { Checkpoint } from '../../src/tensors/checkpoint.ts'
import { memoryCheckpoint } from './memory.ts'

const demo = fileURLToPath(new URL('../../node/demo/data/', import.meta.url))

const f32 = (...values: readonly number[]): Float32Array => new Float32Array(values)

const embedding = 'model.embed_tokens.weight'
const lm = (values: Float32Array, head?: Float32Array): Checkpoint =>
  memoryCheckpoint({
    [embedding]: ['F32', [2], values],
    ...(head && { 'lm_head.weight': ['F32', [2], head] }),
  })

const names = async (base: Checkpoint, post: Checkpoint) => {
  const { changed, tied } = await compareCheckpoints(base, post)
  return [changed.map(({ name }) => name), [...tied.keys()]]
}

describe('comparing checkpoints', () => {
  it('finds what a real fine-tune changes', async () => {
    const base = await openFolder(join(demo, 'base'))
    const post = await openFolder(join(demo, 'kana-light'))
    const { equal, changed, tied } = await compareCheckpoints(base.checkpoint, post.checkpoint)
    assert.equal(equal.length + changed.length, base.checkpoint.tensors.size)
    assert.deepEqual(
      equal.map(({ name }) => name),
      ['classifier.bias', 'classifier.weight'],
    )
    assert.equal(tied.size, 0)
    const same = await compareCheckpoints(base.checkpoint, base.checkpoint)
    assert.deepEqual(same.changed, [])
    await base.close()
    await post.close()
  })

  it('reports every mismatch at once, with what each side has', async () => {
    const base = memoryCheckpoint({
      cast: ['F32', [1], f32(1)],
      ids: ['I32', [1], new Int32Array([1])],
      missing: ['F32', [1], f32(1)],
      resized: ['F32', [2], f32(1, 2)],
    })
    const post = memoryCheckpoint({
      cast: ['BF16', [1], new Uint16Array([0x3f80])],
      extra: ['F32', [1], f32(1)],
      ids: ['I32', [1], new Int32Array([2])],
      resized: ['F32', [3], f32(1, 2, 3)],
    })
    await assert.rejects(compareCheckpoints(base, post), (error) => {
      assert.ok(error instanceof IncompatibleError)
      assert.equal(error.id, 'E_CHECKPOINTS_DIFFER')
      const expected: readonly Mismatch[] = [
        { kind: 'dtype', tensor: 'cast', base: 'F32 [1]', post: 'BF16 [1]' },
        { kind: 'extra', tensor: 'extra', base: 'nothing', post: 'F32 [1]' },
        { kind: 'integers', tensor: 'ids', base: 'I32 [1]', post: 'other values' },
        { kind: 'missing', tensor: 'missing', base: 'F32 [1]', post: 'nothing' },
        { kind: 'shape', tensor: 'resized', base: 'F32 [2]', post: 'F32 [3]' },
      ]
      assert.deepEqual(error.details['mismatches'], expected)
      assert.ok(error.fix.some((fix) => fix.includes('two ids')))
      return true
    })
  })

  it('compares a tied head once, whether it is written out or not', async () => {
    const once = [[embedding], ['lm_head.weight']]
    assert.deepEqual(await names(lm(f32(1, 2), f32(1, 2)), lm(f32(1, 3), f32(1, 3))), once)
    assert.deepEqual(await names(lm(f32(1, 2), f32(1, 2)), lm(f32(1, 3))), once)
    assert.deepEqual(await names(lm(f32(1, 2)), lm(f32(1, 3), f32(1, 3))), once)
  })

  it('compares the head by itself when one side has untied it', async () => {
    const both = [['lm_head.weight', embedding], []]
    assert.deepEqual(await names(lm(f32(1, 2), f32(1, 2)), lm(f32(1, 3), f32(1, 4))), both)
    await assert.rejects(compareCheckpoints(lm(f32(1, 2)), lm(f32(1, 3), f32(1, 4))), {
      id: 'E_CHECKPOINTS_DIFFER',
    })
  })
})

describe('a delta tensor', () => {
  it('is f32(post) - f32(base) of a real fine-tune, element by element', async () => {
    const kernels = openKernels()
    const base = await openFolder(join(demo, 'base'))
    const post = await openFolder(join(demo, 'kana-light'))
    const name = 'vit.encoder.layer.1.intermediate.dense.weight'
    const spec = base.checkpoint.tensors.get(name)!
    const [a, b] = [new Float32Array(384 * 96), new Float32Array(384 * 96)]
    await base.checkpoint.read(name, 0, new Uint8Array(a.buffer))
    await post.checkpoint.read(name, 0, new Uint8Array(b.buffer))
    let seen = 0
    for await (const chunk of deltaTensor(
      base.checkpoint,
      post.checkpoint,
      spec,
      kernels,
    ).chunks()) {
      for (let i = 0; i < chunk.count; i++) {
        const expected = Math.fround(b[chunk.from + i]! - a[chunk.from + i]!)
        if (chunk.delta.f32[i] !== expected) assert.fail(`element ${chunk.from + i}`)
      }
      seen += chunk.count
    }
    assert.equal(seen, a.length)
    assert.equal(kernels.allocated, 0)
    await base.close()
    await post.close()
  })

  for (const [dtype, ones, twos] of [
    ['BF16', 0x3f80, 0x4000],
    ['F16', 0x3c00, 0x4000],
  ] as const) {
    it(`widens ${dtype}, keeps the bytes of both, and comes in whole chunks`, async () => {
      const kernels = openKernels()
      const count = CHUNK_ELEMENTS + 5
      const base = memoryCheckpoint({ w: [dtype, [count], new Uint16Array(count).fill(ones)] })
      const post = memoryCheckpoint({ w: [dtype, [count], new Uint16Array(count).fill(twos)] })
      const chunks: [number, number][] = []
      for await (const chunk of deltaTensor(base, post, base.tensors.get('w')!, kernels).chunks()) {
        chunks.push([chunk.from, chunk.count])
        assert.ok(chunk.delta.f32.subarray(0, chunk.count).every((x) => x === 1))
        assert.ok(chunk.base.u16.subarray(0, chunk.count).every((x) => x === ones))
        assert.ok(chunk.post.u16.subarray(0, chunk.count).every((x) => x === twos))
      }
      assert.deepEqual(chunks, [
        [0, CHUNK_ELEMENTS],
        [CHUNK_ELEMENTS, 5],
      ])
      assert.equal(kernels.allocated, 0)
    })
  }

  it('gives its memory back when the caller stops early', async () => {
    const kernels = openKernels()
    const w = memoryCheckpoint({ w: ['F32', [9], new Float32Array(9)] })
    for await (const chunk of deltaTensor(w, w, w.tensors.get('w')!, kernels).chunks()) {
      assert.ok(kernels.allocated > 0)
      assert.equal(chunk.count, 9)
      break
    }
    assert.equal(kernels.allocated, 0)
  })

  it('has no chunk when it has no element', async () => {
    const w = memoryCheckpoint({ w: ['F32', [0, 3], new Float32Array(0)] })
    for await (const _ of deltaTensor(w, w, w.tensors.get('w')!, openKernels()).chunks()) {
      assert.fail('a chunk')
    }
  })

  const large = 3e38
  for (const [what, base, post] of [
    ['NaN in post', 1, NaN],
    ['infinity in base', Infinity, 1],
    ['infinity in both', Infinity, Infinity],
    ['a difference that overflows', -large, large],
  ] as const) {
    it(`refuses ${what} and names the element`, async () => {
      const kernels = openKernels()
      const at = CHUNK_ELEMENTS + 3
      const a = memoryCheckpoint({ w: ['F32', [at + 1], new Float32Array(at + 1).fill(base, at)] })
      const b = memoryCheckpoint({ w: ['F32', [at + 1], new Float32Array(at + 1).fill(post, at)] })
      const read = async () => {
        for await (const { count } of deltaTensor(a, b, a.tensors.get('w')!, kernels).chunks()) {
          assert.equal(count, CHUNK_ELEMENTS)
        }
      }
      await assert.rejects(read(), (error: DeltaswarmError) => {
        assert.equal(error.name, 'MalformedError')
        assert.equal(error.id, 'E_NOT_FINITE')
        assert.deepEqual(error.details, { tensor: 'w', element: at })
        return true
      })
      assert.equal(kernels.allocated, 0)
    })
  }

  it('is refused for integers', () => {
    const w = memoryCheckpoint({ w: ['I32', [1], new Int32Array(1)] })
    assert.throws(() => deltaTensor(w, w, w.tensors.get('w')!, openKernels()), {
      id: 'E_NOT_WEIGHTS',
    })
  })
})
