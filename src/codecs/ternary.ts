import { allocateBuffers } from '../compute/buffers.ts'
import type { Kernels, Region } from '../compute/kernels.ts'
import {
  createKeepLargest,
  createLargestSearch,
  everything,
  type Largest,
  largestSearchBytes,
} from '../compute/largest.ts'
import { InvalidInputError } from '../errors.ts'
import { elementsOf } from '../tensors/tensor.ts'
import { defineCodec, type DeltaTensor } from './index.ts'
import { encodeScales, readMatrixScale, SCALES } from './scales/scale-section.ts'
import { bitmapBytes, clearPadding, readBitmap } from './sections/bits.ts'
import { blockCapacity, createBlockReader, eachBlock } from './sections/block.ts'
import { checkSize, checkStored, weightDType } from './sections/encoding.ts'
import { decodeMask, encodeMask, maskBytes, maskScratchBytes } from './sections/mask.ts'
import { createSectionReader } from './sections/section-reader.ts'
import { createTally } from './sections/tally.ts'

/**
 * The signs of a tensor's largest elements and one magnitude: with a share k kept, H₂(k) + k bits
 * per weight.
 *
 * Kept are the ⌊density · n⌋ elements of largest magnitude, of equals those with the lowest index,
 * but none that is 0. `count: official` keeps what ComPEFT's code does, one more and all that equal
 * the smallest; at density 1 that code leaves the delta as it is, which this codec refuses. ComPEFT
 * takes the largest, and the deviation, over the whole delta; here both are of one tensor. For the
 * whole delta let the operator `trim` with `over: all` choose, and keep the rest with density 1.
 *
 * The magnitude α is f32(factor · m), where m is in f64, by block sums in index order: `mean`, the
 * mean magnitude of what is kept, which has the least squared error; `std`, the standard deviation
 * of all n elements, √(Σ(Δ − Σ Δ ÷ n)² ÷ (n − 1)), and 0 for a single element.
 *
 * Sections: `scale`, α as f32; `mask`, per block which elements are kept (`sections/mask.ts`);
 * `signs`, per block one bit for each kept element, 1 where it is positive. Mask and signs do not
 * depend on the magnitude, so that re-scaled siblings share their bytes.
 *
 * Decoded: +α or −α where kept, by the sign; +0 elsewhere, and everywhere if α = 0.
 */
export const codec = defineCodec({
  id: 'ternary',
  about: 'the signs of the largest weights and one scale per tensor',
  reference: 'ComPEFT, arXiv 2311.13171; sparse ternary compression, arXiv 1903.02891',
  exact: false,
  parameters: {
    density: { type: 'number', default: 0.2, min: 0, max: 1, about: 'share of weights kept' },
    magnitude: {
      type: 'choice',
      default: 'mean',
      options: ['mean', 'std'],
      about: 'mean magnitude of the kept weights, or standard deviation of all',
    },
    factor: { type: 'number', default: 1, min: 0, max: 16, about: 'multiplies the magnitude' },
    count: {
      type: 'choice',
      default: 'strict',
      options: ['strict', 'official'],
      about: "exactly the share, or one more and its equals as ComPEFT's code",
    },
  },

  memory: (use) => (use === 'encode' ? largestSearchBytes(1) : 0),

  async encode(tensor, { density, magnitude, factor, count: rule }, sink, { kernels }) {
    const { spec } = tensor
    weightDType(spec)
    if (rule === 'official' && density === 1) throw unchangedDelta()
    const elements = elementsOf(spec.shape)
    const capacity = blockCapacity(spec)
    const bytes = bitmapBytes(capacity)
    using buffers = allocateBuffers(kernels, [
      bytes,
      bytes,
      maskScratchBytes(capacity),
      capacity * 4,
      capacity * 4,
    ])
    const [bits, signs, scratch, values, out] = buffers.regions

    const inclusive = rule === 'official'
    const keep = Math.floor(density * elements) + (inclusive ? 1 : 0)
    const measure = magnitude === 'std' ? deviation(kernels, elements) : undefined
    const largest = await search(kernels, tensor, { keep, inclusive }, measure?.scan)
    const size = measure?.value() ?? (await meanOfLargest(kernels, tensor, largest, values))
    const scale = Math.fround(factor * size)
    const stored = await encodeScales(kernels, spec, 'F32', Float64Array.of(scale))

    const tally = createTally(kernels)
    const keepLargest = createKeepLargest(kernels, largest)
    for await (const { count, delta } of eachBlock(tensor)) {
      keepLargest(delta, out, count)
      kernels.packNonzero(out, bits, count)
      clearPadding(bits, count)
      const kept = kernels.compact(out, bits, values, count)
      await sink(MASK, encodeMask(kernels, bits, count, scratch))
      if (kept > 0) {
        kernels.packSigns(values, signs, kept)
        clearPadding(signs, kept)
        await sink(SIGNS, signs.u8.subarray(0, bitmapBytes(kept)))
      }
      decode(kernels, scale, { bits, signs, values }, out, count)
      tally.add(delta, out, count)
    }
    if (elements > 0) await sink(SCALES, stored)
    return { parameters: {}, ...tally.finish() }
  },

  async open(tensor, sections, { kernels }) {
    const { spec } = tensor
    weightDType(spec)
    checkStored(tensor, {})
    const elements = elementsOf(spec.shape)
    checkSize(sections, MASK, ...maskBytes(elements))
    checkSize(sections, SIGNS, 0, bitmapBytes(elements))
    const scale = await readMatrixScale(spec, sections)

    const capacity = blockCapacity(spec)
    const bytes = bitmapBytes(capacity)
    const sizes = [bytes, bytes, maskScratchBytes(capacity), capacity * 4] as const
    const buffers = allocateBuffers(kernels, sizes)
    const [bits, signs, scratch, values] = buffers.regions
    const masks = createSectionReader(sections, MASK)
    const signReader = createSectionReader(sections, SIGNS)
    return createBlockReader(spec, {
      async read(out, count) {
        await decodeMask(kernels, masks, bits, count, scratch)
        await readBitmap(signReader, signs, kernels.countBits(bits, count))
        decode(kernels, scale, { bits, signs, values }, out, count)
      },
      end() {
        masks.end()
        signReader.end()
      },
      close: () => buffers[Symbol.dispose](),
    })
  },
})

const MASK = 'mask'
const SIGNS = 'signs'

/** One block from its mask and signs; `values` holds what is kept in between. */
function decode(
  kernels: Kernels,
  scale: number,
  { bits, signs, values }: Readonly<Record<'bits' | 'signs' | 'values', Region>>,
  out: Region,
  count: number,
): void {
  if (scale === 0) {
    out.u32.fill(0, 0, count)
    return
  }
  kernels.unpackSigns(signs, values, kernels.countBits(bits, count), scale)
  kernels.expand(values, bits, out, count)
}

/** Looks at a tensor twice; `scan` sees every block of both passes too. */
async function search(
  kernels: Kernels,
  tensor: DeltaTensor,
  { keep, inclusive }: { readonly keep: number; readonly inclusive: boolean },
  scan: Deviation['scan'] | undefined,
): Promise<Largest> {
  const all = keep >= elementsOf(tensor.spec.shape)
  if (all && scan === undefined) return everything
  using buffers = allocateBuffers(kernels, [largestSearchBytes(1)])
  const largest = createLargestSearch(kernels, buffers.regions[0], [keep], inclusive)
  for (const pass of [0, 1]) {
    for await (const { count, delta } of eachBlock(tensor)) {
      if (!all) largest.scan(delta, count)
      scan?.(pass, delta, count)
    }
    largest.endPass()
  }
  return all ? everything : largest.found()[0]!
}

async function meanOfLargest(
  kernels: Kernels,
  tensor: DeltaTensor,
  largest: Largest,
  scratch: Region,
): Promise<number> {
  const keepLargest = createKeepLargest(kernels, largest)
  using buffers = allocateBuffers(kernels, [bitmapBytes(blockCapacity(tensor.spec))])
  const [bits] = buffers.regions
  let sum = 0
  let kept = 0
  for await (const { count, delta } of eachBlock(tensor)) {
    keepLargest(delta, scratch, count)
    sum += kernels.sumMagnitudes(scratch, count)
    kernels.packNonzero(scratch, bits, count)
    kept += kernels.countBits(bits, count)
  }
  return kept === 0 ? 0 : sum / kept
}

/** The standard deviation of a tensor from two passes. */
interface Deviation {
  readonly scan: (pass: number, x: Region, count: number) => void
  value(): number
}

function deviation(kernels: Kernels, elements: number): Deviation {
  let sum = 0
  let squares = 0
  return {
    scan(pass, x, count) {
      if (pass === 0) sum += kernels.sum(x, count)
      else squares += kernels.squaredDeviations(x, count, sum / elements)
    },
    value: () => (elements < 2 ? 0 : Math.sqrt(squares / (elements - 1))),
  }
}

function unchangedDelta(): InvalidInputError {
  return new InvalidInputError(
    'E_NOTHING_DROPPED',
    "ComPEFT's code leaves a delta of density 1 as it is",
    {
      expected: 'a density below 1 with `count: official`',
      actual: 1,
      fix: ['use `count: strict`', 'use raw to keep every value'],
    },
  )
}
