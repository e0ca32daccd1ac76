import type { Kernels, Region } from '../../compute/kernels.ts'
import type { Emitter } from '../../graphs/emitter.ts'
import { BLOCK_ELEMENTS } from '../../tensors/blocks.ts'
import { elementsOf, type TensorSpec } from '../../tensors/tensor.ts'
import type { CodecGraph, Sections } from '../index.ts'
import { bitmapBytes } from './bits.ts'
import { checkSigns, openSigns, type SignReader } from './signs.ts'

/**
 * Sign times scale on a device. Bitmaps are brought there as one f32 per byte, an eighth of the delta,
 * and taken apart by products with powers of 2 and floors, which are exact: no graph has shifts on a GPU.
 */
export function signGraph(
  kernels: Kernels,
  spec: TensorSpec,
  sections: Sections,
  scale: number,
  zeros: 'keep' | 'plus',
): CodecGraph {
  const { shape } = spec
  const keeps = checkSigns(spec, sections, zeros)
  const elements = elementsOf(shape)
  const plane = (bitmap: 'signs' | 'nonzero') => ({
    elements: bitmapBytes(elements),
    async fill(out: Region) {
      const reader = openSigns(kernels, spec, sections, zeros)
      await widenBitmap(reader, reader[bitmap]!, elements, out)
    },
  })
  return {
    planes: keeps ? [plane('signs'), plane('nonzero')] : [plane('signs')],
    emit(emitter, [positive, present]) {
      const [plus, minus] = [emitter.float(scale), emitter.float(-scale)]
      const signed = emitter.node('Where', [emitBits(emitter, positive!, shape), plus, minus])
      if (present === undefined) return signed
      return emitter.node('Where', [emitBits(emitter, present, shape), signed, emitter.float(0)])
    },
  }
}

/** One of the tensor's bitmaps, each byte as f32. */
async function widenBitmap(
  reader: SignReader,
  bits: Region,
  elements: number,
  out: Region,
): Promise<void> {
  try {
    for (let from = 0; from < elements; from += BLOCK_ELEMENTS) {
      const count = Math.min(BLOCK_ELEMENTS, elements - from)
      await reader.read(count)
      out.f32.set(bits.u8.subarray(0, bitmapBytes(count)), from / 8)
    }
    reader.end()
  } finally {
    reader.close()
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
