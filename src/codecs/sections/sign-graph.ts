import type { Region } from '../../compute/kernels.ts'
import type { Emitter } from '../../graphs/emitter.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { CodecGraph, Sections } from '../index.ts'
import { bitmapBytes } from './bits.ts'

/** Bitmaps that say where a delta is +scale, −scale and 0. */
export interface SignedScale {
  readonly scale: number
  /** Section with bit 1 where the sign is +. */
  readonly signs: string
  /** Section with bit 0 where the value is +0, if there is one. */
  readonly nonzero: string | undefined
}

/**
 * Sign times scale on a device. Bitmaps are brought there as one f32 per byte, an eighth of the delta,
 * and taken apart by products with powers of 2 and floors, which are exact: no graph has shifts on a GPU.
 */
export function signGraph(
  { shape }: TensorSpec,
  sections: Sections,
  { scale, signs, nonzero }: SignedScale,
): CodecGraph {
  const bytes = bitmapBytes(elementsOf(shape))
  const plane = (section: string) => ({
    elements: bytes,
    fill: async (out: Region) => out.f32.set(await sections.read(section, 0, bytes)),
  })
  return {
    planes: nonzero === undefined ? [plane(signs)] : [plane(signs), plane(nonzero)],
    emit(emitter, [positive, present]) {
      const [plus, minus] = [emitter.float(scale), emitter.float(-scale)]
      const signed = emitter.node('Where', [emitBits(emitter, positive!, shape), plus, minus])
      if (present === undefined) return signed
      return emitter.node('Where', [emitBits(emitter, present, shape), signed, emitter.float(0)])
    },
  }
}

/** Whether each bit is 1, in the tensor's shape; bit i of a byte b is ⌊b/2ⁱ⌋ − 2⌊b/2ⁱ⁺¹⌋. */
function emitBits(emitter: Emitter, bytes: string, shape: readonly number[]): string {
  const count = elementsOf(shape)
  const column = emitter.reshape(bytes, [bitmapBytes(count), 1])
  const shifted = (by: number): string => {
    const powers = Float32Array.from({ length: 8 }, (_, bit) => 2 ** -(bit + by))
    return emitter.node('Floor', [emitter.node('Mul', [column, emitter.floats(powers, [1, 8])])])
  }
  const above = emitter.node('Mul', [shifted(1), emitter.float(2)])
  const bits = emitter.reshape(emitter.node('Sub', [shifted(0), above]), [8 * bitmapBytes(count)])
  const whole = emitter.node('Slice', [bits, emitter.wholes([0]), emitter.wholes([count])])
  return emitter.node('Greater', [emitter.reshape(whole, shape), emitter.float(0)])
}
