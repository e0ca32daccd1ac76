import assert from 'node:assert/strict'
import { castCheckpoint } from '../../src/checkpoints/cast.ts'
import { weightsOf } from '../../src/checkpoints/weights.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { openFolder } from '../../src/checkpoints/folder.ts'
import { sameTensor } from '../../src/checkpoints/stream.ts'
import { CHUNK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { sharedPath, skip } from '../support/shared.ts'
import { memoryCheckpoint } from './memory.ts'

const mixed = memoryCheckpoint({
  bf16: ['BF16', [3], new Uint16Array([0x3f80, 0xc000, 0x0001])],
  empty: ['F16', [0], new Uint16Array(0)],
  f16: ['F16', [3], new Uint16Array([0x3c00, 0xc000, 0x0001])],
  f32: ['F32', [3], new Float32Array([1, -2, 2 ** -149])],
  ids: ['I32', [2], new Int32Array([7, 8])],
})

describe('the weights of a checkpoint', () => {
  it('are f32 whatever they are on disk', async () => {
    const kernels = openKernels()
    const out = kernels.allocate(12)
    const weights = weightsOf(mixed, kernels)
    for (const [name, smallest] of [
      ['bf16', 2 ** -133],
      ['f16', 2 ** -24],
      ['f32', 2 ** -149],
    ] as const) {
      await weights.load(name, out)
      assert.deepEqual([...out.f32.subarray(0, 3)], [1, -2, smallest], name)
    }
    await weights.load('empty', out)
    kernels.release(out)
    assert.equal(kernels.allocated, 0)
  })

  it('are widened chunk by chunk', async () => {
    const kernels = openKernels()
    const count = 2 * CHUNK_ELEMENTS + 1
    const halves = Uint16Array.from({ length: count }, (_, i) => i & 0x3fff)
    const out = kernels.allocate(4 * count)
    const checkpoint = memoryCheckpoint({ w: ['BF16', [count], halves] })
    await weightsOf(checkpoint, kernels).load('w', out)
    for (let i = 0; i < count; i++) {
      if (out.u32[i] !== (i & 0x3fff) << 16) assert.fail(`element ${i}`)
    }
  })

  it('are refused by name, for integers and for a region that is too small', async () => {
    const kernels = openKernels()
    const weights = weightsOf(mixed, kernels)
    const large = kernels.allocate(12)
    const small = { ...large, bytes: 11 }
    await assert.rejects(weights.load('none', large), { id: 'E_TENSOR_MISSING' })
    await assert.rejects(weights.load('ids', large), { id: 'E_NOT_WEIGHTS' })
    await assert.rejects(weights.load('bf16', small), { id: 'E_REGION_SIZE' })
  })
})

describe('a cast checkpoint', () => {
  it('has weights in the new dtype and integers as they were', async () => {
    const cast = castCheckpoint(mixed, 'BF16', openKernels())
    assert.deepEqual(
      [...cast.tensors.values()].map(({ dtype }) => dtype),
      ['BF16', 'BF16', 'BF16', 'BF16', 'I32'],
    )
    const ids = new Int32Array(2)
    await cast.read('ids', 0, new Uint8Array(ids.buffer))
    assert.deepEqual([...ids], [7, 8])
  })

  it('rounds to nearest even', async () => {
    const x = new Float32Array([1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, 1e39])
    const cast = castCheckpoint(memoryCheckpoint({ x: ['F32', [4], x] }), 'BF16', openKernels())
    const out = new Uint16Array(4)
    await cast.read('x', 0, new Uint8Array(out.buffer))
    assert.deepEqual([...out], [0x3f80, 0x3f82, 0x3f81, 0x7f80])
  })

  it('is read between elements from any of them, and nowhere else', async () => {
    const kernels = openKernels()
    const cast = castCheckpoint(mixed, 'F32', kernels)
    const out = new Float32Array(2)
    await cast.read('f16', 4, new Uint8Array(out.buffer))
    assert.deepEqual([...out], [-2, 2 ** -24])
    for (const [offset, length] of [
      [2, 4],
      [0, 6],
    ] as const) {
      const read = cast.read('f16', offset, new Uint8Array(length))
      await assert.rejects(read, { id: 'E_UNALIGNED_READ' })
    }
    assert.equal(kernels.allocated, 0)
  })

  it('equals the bf16 file that torch wrote', async function () {
    const [wide, narrow] = ['model.safetensors', 'model.bf16.safetensors'].map((name) =>
      sharedPath(`data/llama-tiny/base/${name}`),
    )
    if (wide === undefined || narrow === undefined) {
      return skip(this, 'data/llama-tiny is not beside the repository')
    }
    const [a, b] = [await openFolder(wide), await openFolder(narrow)]
    const cast = castCheckpoint(a.checkpoint, 'BF16', openKernels())
    assert.deepEqual([...cast.tensors], [...b.checkpoint.tensors])
    for (const spec of cast.tensors.values()) {
      assert.ok(await sameTensor(cast, spec, b.checkpoint, spec), spec.name)
    }
    await a.close()
    await b.close()
  })
})
