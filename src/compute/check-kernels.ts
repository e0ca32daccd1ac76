import { dropThreshold, maskKey, philox } from '../random.ts'
import { allocateBuffers } from './buffers.ts'
import type { Kernels } from './kernels.ts'

/** More than a vector's worth, and a rest that is no whole vector. */
const COUNT = 203

/**
 * Runs a few kernels of different kinds and the same arithmetic written out; the names of those that
 * differ. An empty list says that this machine's WebAssembly computes what others' does.
 */
export function checkKernels(kernels: Kernels): readonly string[] {
  using buffers = allocateBuffers(kernels, [4 * COUNT, 4 * COUNT, 4 * COUNT])
  const [x, y, out] = buffers.regions
  for (let i = 0; i < COUNT; i++) {
    x.f32[i] = (((i * 37) % 101) - 50) / (1 + (i % 7))
    y.f32[i] = (i % 11) - 5
  }
  const [a, b] = [x.f32.slice(0, COUNT), y.f32.slice(0, COUNT)]
  const { fround } = Math
  const key = maskKey(7, 'check')
  const threshold = dropThreshold(0.3)
  const factor = fround(0.3)
  const kept = fround(1 / 0.7)

  const checks: Readonly<Record<string, () => boolean>> = {
    add: () => {
      kernels.add(x, y, out, COUNT)
      return a.every((value, i) => out.f32[i] === fround(value + b[i]!))
    },
    addScaled: () => {
      out.f32.set(b)
      kernels.addScaled(x, out, COUNT, factor)
      return a.every((value, i) => out.f32[i] === fround(b[i]! + fround(factor * value)))
    },
    maskedScale: () => {
      kernels.maskedScale(x, out, COUNT, { key, threshold, dropped: 0, kept, from: 0 })
      return a.every((value, i) => {
        const word = philox([Math.floor(i / 4), 0, 0, 0], key)[i % 4]!
        return out.f32[i] === (word < threshold ? 0 : fround(kept * value))
      })
    },
    sumMagnitudes: () => {
      const sum = a.reduce((sum, value) => sum + Math.abs(value), 0)
      return Math.abs(kernels.sumMagnitudes(x, COUNT) - sum) <= 1e-12 * sum
    },
  }
  const differing = Object.entries(checks).filter(([, check]) => !check())
  return differing.map(([name]) => name)
}
