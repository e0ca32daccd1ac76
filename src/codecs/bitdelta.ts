import type { Kernels, Region } from '../compute/kernels.ts'
import { elementsOf } from '../tensors/tensor.ts'
import { defineCodec, type EncodedTensor, type Sections } from './index.ts'
import { bitmapBytes, clearPadding, readBitmap } from './sections/bits.ts'
import { allocateBuffers, blockCapacity, createBlockReader, eachBlock } from './sections/block.ts'
import {
  badEncoding,
  checkSize,
  checkStored,
  outOfRange,
  weightDType,
} from './sections/encoding.ts'
import { createSectionReader } from './sections/section-reader.ts'
import { createTally } from './sections/tally.ts'
import { signGraph } from './sections/sign-graph.ts'

const zeros = {
  type: 'choice',
  default: 'keep',
  options: ['keep', 'plus'],
  about: 'a weight that did not change stays so (keep) or counts as positive (plus)',
} as const

/**
 * One sign per element and one magnitude per tensor: 1 + 32/n bits per weight, and one more bit when
 * a zero is kept.
 *
 * Sections: `scale`, one f32 α = f32(factor · (Σ|Δ| ÷ n)), all in f64 but the last rounding, block
 * sums in index order; `signs`, bit i is 1 where Δᵢ ≥ 0 and 0 where Δᵢ < 0; `nonzero`, bit i is 1 where
 * Δᵢ ≠ 0, there only with `zeros: keep` and only if the tensor has a zero and a value that is not.
 * Signs do not depend on the factor, so that re-scaled siblings share their bytes.
 *
 * Decoded: +α where the sign is 1, −α where it is 0, +0 where `nonzero` is 0 and everywhere if α = 0.
 * `zeros: keep` is the paper's Sign, with sign(0) = 0; `plus` is BitDelta's code, which counts a zero
 * as positive.
 */
export const codec = defineCodec({
  id: 'bitdelta',
  about: 'one sign bit per weight and one scale per tensor',
  reference: 'BitDelta, arXiv 2402.10193; factor: arXiv 2410.13841, section 5.3',
  exact: false,
  parameters: {
    factor: {
      type: 'number',
      default: 1,
      min: 0,
      max: 4,
      about: 'multiplies the mean magnitude; 1 has the least squared error',
    },
    zeros,
  },

  async encode(tensor, { factor, zeros: policy }, sink, { kernels }) {
    weightDType(tensor.spec)
    const capacity = blockCapacity(tensor.spec)
    const bytes = bitmapBytes(capacity)
    using buffers = allocateBuffers(kernels, [bytes, bytes, capacity * 4])
    const [signs, nonzero, out] = buffers.regions

    let sum = 0
    let nonzeros = 0
    for await (const { count, delta } of eachBlock(tensor)) {
      sum += kernels.sumMagnitudes(delta, count)
      kernels.packNonzero(delta, nonzero, count)
      nonzeros += kernels.countBits(nonzero, count)
    }
    const elements = elementsOf(tensor.spec.shape)
    const scale = Math.fround(factor * (sum / Math.max(1, elements)))
    if (!Number.isFinite(scale)) throw outOfRange(tensor.spec.name, 'an F32 scale', scale)
    const withNonzero = policy === 'keep' && nonzeros > 0 && nonzeros < elements

    const tally = createTally(kernels)
    for await (const { count, delta } of eachBlock(tensor)) {
      kernels.packSigns(delta, signs, count)
      clearPadding(signs, count)
      await sink(SIGNS, signs.u8.subarray(0, bitmapBytes(count)))
      if (withNonzero) {
        kernels.packNonzero(delta, nonzero, count)
        clearPadding(nonzero, count)
        await sink(NONZERO, nonzero.u8.subarray(0, bitmapBytes(count)))
      }
      unpack(kernels, scale, signs, withNonzero ? nonzero : undefined, out, count)
      tally.add(delta, out, count)
    }
    if (elements > 0) await sink(SCALE, encodeScale(scale))
    return { parameters: { zeros: policy }, ...tally.finish() }
  },

  async open(tensor, sections, { kernels }) {
    const { spec } = tensor
    const { scale, withNonzero } = await readScale(tensor, sections)
    const bytes = bitmapBytes(blockCapacity(spec))
    const buffers = allocateBuffers(kernels, [bytes, bytes])
    const [signs, nonzero] = buffers.regions
    const signReader = createSectionReader(sections, SIGNS)
    const nonzeroReader = createSectionReader(sections, NONZERO)
    return createBlockReader(spec, {
      async read(out, count) {
        await readBitmap(signReader, signs, count)
        if (withNonzero) await readBitmap(nonzeroReader, nonzero, count)
        unpack(kernels, scale, signs, withNonzero ? nonzero : undefined, out, count)
      },
      end() {
        signReader.end()
        nonzeroReader.end()
      },
      close: () => buffers[Symbol.dispose](),
    })
  },

  async graph(tensor, sections) {
    const { scale, withNonzero } = await readScale(tensor, sections)
    const nonzero = withNonzero ? NONZERO : undefined
    return scale === 0
      ? undefined
      : signGraph(tensor.spec, sections, { scale, signs: SIGNS, nonzero })
  },
})

const SCALE = 'scale'
const SIGNS = 'signs'
const NONZERO = 'nonzero'

async function readScale(
  tensor: EncodedTensor,
  sections: Sections,
): Promise<{ scale: number; withNonzero: boolean }> {
  weightDType(tensor.spec)
  const stored = checkStored(tensor, { zeros })
  const elements = elementsOf(tensor.spec.shape)
  const withNonzero = stored.zeros === 'keep' && sections.bytes(NONZERO) > 0
  checkSize(sections, SCALE, elements > 0 ? 4 : 0)
  checkSize(sections, SIGNS, bitmapBytes(elements))
  checkSize(sections, NONZERO, withNonzero ? bitmapBytes(elements) : 0)
  const scale = elements > 0 ? decodeScale(await sections.read(SCALE, 0, 4)) : 0
  return { scale, withNonzero }
}

function unpack(
  kernels: Kernels,
  scale: number,
  signs: Region,
  nonzero: Region | undefined,
  out: Region,
  count: number,
): void {
  if (scale === 0) {
    out.u32.fill(0, 0, count)
    return
  }
  kernels.unpackSigns(signs, out, count, scale)
  if (nonzero !== undefined) kernels.clearByBits(nonzero, out, count)
}

function encodeScale(scale: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(scale)
  return bytes
}

function decodeScale(bytes: Uint8Array): number {
  const scale = new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true)
  if (scale >= 0 && Number.isFinite(scale) && !Object.is(scale, -0)) return scale
  throw badEncoding('scale out of range', 'a finite number ≥ 0', scale)
}
