import assert from 'node:assert/strict'
import { createSectionReader } from '../../src/codecs/sections/section-reader.ts'
import {
  createValueReader,
  createValueWriter,
  valueBytes,
  valueScratchBytes,
} from '../../src/codecs/sections/values.ts'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { IncompatibleError, MalformedError } from '../../src/errors.ts'
import { BLOCK_ELEMENTS } from '../../src/tensors/blocks.ts'
import { type WeightDType, weightDTypes } from '../../src/tensors/dtype.ts'
import { place } from '../compute/sample-floats.ts'
import { memorySections } from './memory-tensor.ts'
import { normalFloats } from './numbers.ts'

describe('section of values', () => {
  const kernels = openKernels()
  const values = normalFloats(BLOCK_ELEMENTS + 1000, 1)
  const scratch = kernels.allocate(valueScratchBytes(values.length))
  const room = kernels.allocate(values.length * 4)

  const sectionOf = (dtype: WeightDType, count: number) => {
    return { kernels, name: 'x', dtype, count, scratch }
  }

  async function write(given: Float32Array, dtype: WeightDType, pieces: readonly number[]) {
    const stored: Uint8Array[] = []
    const writer = createValueWriter(sectionOf(dtype, given.length), async (bytes) => {
      stored.push(bytes.slice())
    })
    const rounded: number[] = []
    let from = 0
    for (const count of pieces) {
      const part = place(kernels, given.slice(from, from + count))
      await writer.write(part, count)
      rounded.push(...part.f32.subarray(0, count))
      kernels.release(part)
      from += count
    }
    await writer.end()
    return { bytes: Buffer.concat(stored), rounded }
  }

  function read(bytes: Uint8Array, dtype: WeightDType, count: number) {
    const sections = memorySections(new Map([['values', bytes]]))
    return createValueReader(sectionOf(dtype, count), createSectionReader(sections, 'values'))
  }

  for (const dtype of weightDTypes) {
    it(`of ${dtype} gives back what was rounded, however it is written and read`, async () => {
      const whole = await write(values, dtype, [values.length])
      const parts = await write(values, dtype, [0, 1, 1000, BLOCK_ELEMENTS - 7, 6])
      assert.deepEqual(parts, whole)
      const [least, most] = valueBytes(values.length, dtype)
      assert.ok(whole.bytes.length >= least && whole.bytes.length <= most)
      const reader = read(whole.bytes, dtype, values.length)
      const found: number[] = []
      for (const count of [5, 0, BLOCK_ELEMENTS, 995]) {
        await reader.take(room, count)
        found.push(...room.f32.subarray(0, count))
      }
      reader.end()
      assert.deepEqual(found, whole.rounded)
    })
  }

  it('refuses to write what becomes infinite, and to read what is not finite', async () => {
    await assert.rejects(
      write(Float32Array.of(1, 65_520), 'F16', [2]),
      (error) => error instanceof IncompatibleError && error.id === 'E_VALUE_RANGE',
    )
    const infinite = Uint8Array.of(1, 0, 1, 0xff)
    await assert.rejects(read(infinite, 'BF16', 1).take(room, 1), MalformedError)
  })

  it('refuses fewer values than are asked for, and values or bytes left over', async () => {
    const { bytes } = await write(values.subarray(0, 9), 'BF16', [9])
    await assert.rejects(read(bytes, 'BF16', 9).take(room, 10), MalformedError)
    const some = read(bytes, 'BF16', 9)
    await some.take(room, 8)
    assert.throws(() => some.end(), MalformedError)
    const padded = read(Buffer.concat([bytes, Uint8Array.of(0)]), 'BF16', 9)
    await padded.take(room, 9)
    assert.throws(() => padded.end(), MalformedError)
  })
})
