import type { Kernels, MaskedScale } from '../../compute/kernels.ts'
import type { Emitter } from '../../graphs/emitter.ts'
import type { ChunkMap } from '../index.ts'

/** The factor of every element: Philox needs 64-bit products, which no graph has on a GPU. */
export function factorMask(kernels: Kernels, mask: Omit<MaskedScale, 'from'>): ChunkMap {
  return (_inputs, out, from, count) => {
    out.f32.fill(1, 0, count)
    kernels.maskedScale(out, out, count, { ...mask, from })
  }
}

/** x times its factor, and +0 where that is 0. */
export function emitMaskedScale(emitter: Emitter, x: string, factor: string): string {
  const zero = emitter.float(0)
  const product = emitter.node('Mul', [x, factor])
  return emitter.node('Where', [emitter.node('Equal', [factor, zero]), zero, product])
}
