import type { Kernels, MaskedScale } from '../../compute/kernels.ts'
import type { OperatorGraph } from '../index.ts'

/**
 * `maskedScale` on a device: x times its factor, and +0 where that is 0. The factors are the
 * kernels', because Philox needs products of 64 bits, which no graph has on a GPU.
 */
export function maskedScaleGraph(kernels: Kernels, mask: Omit<MaskedScale, 'from'>): OperatorGraph {
  return {
    masks: [
      (_inputs, out, from, count) => {
        out.f32.fill(1, 0, count)
        kernels.maskedScale(out, out, count, { ...mask, from })
      },
    ],
    emit(emitter, [x], [factor]) {
      const zero = emitter.float(0)
      const dropped = emitter.node('Equal', [factor!, zero])
      return emitter.node('Where', [dropped, zero, emitter.node('Mul', [x!, factor!])])
    },
  }
}
