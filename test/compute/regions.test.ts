import assert from 'node:assert/strict'
import { openKernels } from '../../src/compute/open-kernels.ts'
import { createRandom } from '../../src/random.ts'
import type { Region } from '../../src/compute/kernels.ts'

const MiB = 2 ** 20

describe('kernels: memory', () => {
  it('hands out regions of whole cache lines that do not alias modulo 4 KiB', () => {
    const kernels = openKernels()
    const [a, b] = [kernels.allocate(MiB), kernels.allocate(MiB)]
    const small = kernels.allocate(13)
    assert.equal(small.bytes, 64)
    assert.equal(small.f32.length, 16)
    for (const { pointer } of [a, b, small]) assert.equal(pointer % 64, 0)
    assert.notEqual(a.pointer % 4096, b.pointer % 4096)
    assert.ok(b.pointer >= a.pointer + MiB)
  })

  it('counts what is handed out and the most there ever was', () => {
    const kernels = openKernels()
    const [a, b] = [kernels.allocate(MiB), kernels.allocate(100)]
    assert.equal(kernels.allocated, MiB + 128)
    kernels.release(a)
    assert.equal(kernels.allocated, 128)
    kernels.release(b)
    assert.equal(kernels.allocated, 0)
    assert.equal(kernels.peak, MiB + 128)
  })

  it('keeps old views valid when it grows', () => {
    const kernels = openKernels()
    const old = kernels.allocate(16)
    old.f32.set([1, 2, 3, 4])
    const before = kernels.buffer
    const large = kernels.allocate(64 * MiB)
    assert.notEqual(kernels.buffer.byteLength, before.byteLength)
    kernels.add(old, old, large, 4)
    kernels.add(large, old, old, 4)
    assert.deepEqual([...old.f32.subarray(0, 4)], [3, 6, 9, 12])
  })

  it('does not grow in a cycle of allocations and releases', () => {
    const kernels = openKernels()
    const random = createRandom('regions')
    const sizes = Array.from({ length: 40 }, () => 1 + random.below(MiB / 2))
    const cycle = () => {
      const regions = sizes.map((size) => kernels.allocate(size))
      while (regions.length > 0)
        kernels.release(regions.splice(random.below(regions.length), 1)[0]!)
    }
    cycle()
    const { byteLength } = kernels.buffer
    for (let i = 0; i < 10; i++) cycle()
    assert.equal(kernels.buffer.byteLength, byteLength)
    assert.equal(kernels.allocated, 0)
  })

  it('never hands out overlapping regions', () => {
    const kernels = openKernels()
    const random = createRandom('overlap')
    const live = new Map<Region, number>()
    for (let step = 0; step < 500; step++) {
      if (live.size > 20 || (live.size > 0 && random.below(3) === 0)) {
        const [region, mark] = [...live][random.below(live.size)]!
        assert.ok(region.u8.every((byte) => byte === mark))
        live.delete(region)
        kernels.release(region)
      } else {
        const region = kernels.allocate(random.below(5000))
        region.u8.fill(step & 255)
        live.set(region, step & 255)
      }
    }
  })

  it('refuses to pass its maximum, and goes on after it', () => {
    const kernels = openKernels({ maximumBytes: 4 * MiB })
    const region = kernels.allocate(3 * MiB)
    assert.throws(() => kernels.allocate(2 * MiB), { name: 'LimitError', id: 'E_MEMORY' })
    kernels.release(region)
    assert.equal(kernels.allocate(3.5 * MiB).bytes, 3.5 * MiB)
  })

  it('refuses a second release and a count that does not fit', () => {
    const kernels = openKernels()
    const [a, b] = [kernels.allocate(64), kernels.allocate(640)]
    assert.throws(() => kernels.add(b, b, a, 17), { id: 'E_REGION' })
    kernels.release(a)
    assert.throws(() => kernels.release(a), { id: 'E_REGION' })
  })
})
