import { InvalidInputError } from '../errors.ts'
import type { WeightDType } from '../tensors/dtype.ts'
import type { KernelExports } from './kernel-exports.ts'
import { kernelsWasm } from './kernels-wasm.ts'
import { HISTOGRAM_BYTES, type Kernels, type MaskedScale, type Region } from './kernels.ts'
import { createRegions } from './regions.ts'
import { createSharedMemory, instantiate, PAGE_BYTES } from './web-assembly.ts'

/** 65,536 pages: what a 32-bit pointer reaches. Address space only; pages cost memory once used. */
const MAXIMUM_BYTES = 2 ** 32

/** The table of `electAndMerge` must fit 32 KiB with a pointer and a weight for each input. */
const MAXIMUM_INPUTS = 4096

/**
 * Compiles the kernels over a memory of their own that grows on demand up to `maximumBytes` (rounded
 * down to 64 KiB pages; 4 GiB unless given). Nothing needs closing: the memory goes with its last
 * region.
 */
export function openKernels(init: { readonly maximumBytes?: number } = {}): Kernels {
  const { maximumBytes = MAXIMUM_BYTES } = init
  const pages = Math.floor(Math.min(maximumBytes, MAXIMUM_BYTES) / PAGE_BYTES)
  if (!(pages >= 1)) {
    throw new InvalidInputError(
      'E_PARAMETER_RANGE',
      `expected \`maximumBytes\` of at least ${PAGE_BYTES}, got ${maximumBytes}`,
      { expected: PAGE_BYTES, actual: maximumBytes },
    )
  }
  const memory = createSharedMemory(pages)
  const wasm = instantiate(Buffer.from(kernelsWasm, 'base64'), memory) as KernelExports
  const regions = createRegions(memory, pages * PAGE_BYTES)

  return {
    get buffer() {
      return memory.buffer
    },
    get allocated() {
      return regions.allocated
    },
    get peak() {
      return regions.peak
    },
    allocate: (bytes) => regions.allocate(bytes),
    release: (region) => regions.release(region),

    widen(dtype, source, out, count) {
      holds(source, count * bytesPer[dtype])
      holds(out, count * 4)
      if (dtype === 'F32') wasm.copy(source.pointer, out.pointer, count * 4)
      else if (dtype === 'BF16') wasm.widenBf16(source.pointer, out.pointer, count)
      else wasm.widenF16(source.pointer, out.pointer, count)
    },
    narrow(dtype, source, out, count) {
      holds(source, count * 4)
      holds(out, count * bytesPer[dtype])
      if (dtype === 'F32') wasm.copy(source.pointer, out.pointer, count * 4)
      else if (dtype === 'BF16') wasm.narrowBf16(source.pointer, out.pointer, count)
      else wasm.narrowF16(source.pointer, out.pointer, count)
    },

    difference(dtype, post, base, out, count) {
      for (const region of [post, base]) holds(region, count * bytesPer[dtype])
      holdFloats(count, out)
      wasm.difference(numberOf[dtype], post.pointer, base.pointer, out.pointer, count)
    },
    applied(dtype, base, delta, to, out, count) {
      holds(base, count * bytesPer[dtype])
      holdFloats(count, delta)
      holds(out, count * bytesPer[to])
      const [from, into] = [numberOf[dtype], numberOf[to]]
      wasm.applied(from, base.pointer, delta.pointer, into, out.pointer, count)
    },

    subtract(a, b, out, count) {
      holdFloats(count, a, b, out)
      wasm.subtract(a.pointer, b.pointer, out.pointer, count)
    },
    add(a, b, out, count) {
      holdFloats(count, a, b, out)
      wasm.add(a.pointer, b.pointer, out.pointer, count)
    },
    scale(x, out, count, factor) {
      holdFloats(count, x, out)
      wasm.scale(x.pointer, out.pointer, count, factor)
    },
    addScaled(x, y, count, factor) {
      holdFloats(count, x, y)
      wasm.addScaled(x.pointer, y.pointer, count, factor)
    },

    maskedScale(x, out, count, mask) {
      holdFloats(count, x, out)
      const [low, high] = blockOf(mask)
      const { key, threshold, kept, dropped } = mask
      wasm.maskedScale(
        x.pointer,
        out.pointer,
        count,
        low,
        high,
        key[0],
        key[1],
        threshold,
        kept,
        dropped,
      )
    },
    maskBits(bits, count, mask) {
      holdBits(count, bits)
      const [low, high] = blockOf(mask)
      const { key, threshold } = mask
      wasm.maskBits(bits.pointer, count, low, high, key[0], key[1], threshold)
    },

    keepLargest(x, out, count, threshold, ties) {
      holdFloats(count, x, out)
      return wasm.keepLargest(x.pointer, out.pointer, count, threshold, Math.min(ties, count)) >>> 0
    },
    histogramHigh(x, count, counts) {
      holdFloats(count, x)
      holds(counts, HISTOGRAM_BYTES)
      wasm.histogramHigh(x.pointer, count, counts.pointer)
    },
    histogramLow(x, count, high, counts) {
      holdFloats(count, x)
      holds(counts, HISTOGRAM_BYTES)
      wasm.histogramLow(x.pointer, count, high, counts.pointer)
    },
    countMagnitude(x, count, magnitude) {
      holdFloats(count, x)
      return wasm.countMagnitude(x.pointer, count, magnitude) >>> 0
    },

    electAndMerge(inputs, out, count, options) {
      const { weights, weighted, zeroSign, normalize, lambda } = options
      if (inputs.length > MAXIMUM_INPUTS || weights.length !== inputs.length) {
        throw new InvalidInputError(
          'E_INPUTS',
          `expected at most ${MAXIMUM_INPUTS} inputs with a weight each, got ${inputs.length} inputs and ${weights.length} weights`,
          { expected: MAXIMUM_INPUTS, actual: inputs.length },
        )
      }
      holdFloats(count, out, ...inputs)
      const table = wasm.scratch.value
      new Uint32Array(memory.buffer, table, inputs.length).set(inputs.map(({ pointer }) => pointer))
      new Float32Array(memory.buffer, table + inputs.length * 4, inputs.length).set(weights)
      wasm.electAndMerge(
        inputs.length,
        out.pointer,
        count,
        Number(weighted),
        Number(zeroSign > 0),
        Number(normalize),
        lambda,
      )
    },

    packSigns(x, bits, count) {
      holdFloats(count, x)
      holdBits(count, bits)
      wasm.packSigns(x.pointer, bits.pointer, count)
    },
    unpackSigns(bits, out, count, magnitude) {
      holdBits(count, bits)
      holdFloats(count, out)
      wasm.unpackSigns(bits.pointer, out.pointer, count, magnitude)
    },
    packNonzero(x, bits, count) {
      holdFloats(count, x)
      holdBits(count, bits)
      wasm.packNonzero(x.pointer, bits.pointer, count)
    },
    clearByBits(bits, out, count) {
      holdBits(count, bits)
      holdFloats(count, out)
      wasm.clearByBits(bits.pointer, out.pointer, count)
    },
    compact(x, bits, out, count) {
      holdFloats(count, x)
      holdBits(count, bits)
      holdFloats(wasm.countBits(bits.pointer, count), out)
      return wasm.compact(x.pointer, bits.pointer, out.pointer, count)
    },
    expand(values, bits, out, count) {
      holdBits(count, bits)
      holdFloats(count, out)
      holdFloats(wasm.countBits(bits.pointer, count), values)
      return wasm.expand(values.pointer, bits.pointer, out.pointer, count)
    },
    countBits(bits, count) {
      holdBits(count, bits)
      return wasm.countBits(bits.pointer, count) >>> 0
    },

    sumMagnitudes(x, count) {
      holdFloats(count, x)
      return wasm.sumMagnitudes(x.pointer, count)
    },
    sumSquares(x, count) {
      holdFloats(count, x)
      return wasm.dot(x.pointer, x.pointer, count)
    },
    dot(a, b, count) {
      holdFloats(count, a, b)
      return wasm.dot(a.pointer, b.pointer, count)
    },

    firstNonFinite(x, count) {
      holdFloats(count, x)
      return wasm.firstNonFinite(x.pointer, count)
    },

    orderedDifference(dtype, post, base, planes, count) {
      for (const region of [post, base, planes]) holds(region, count * bytesPer[dtype])
      if (bytesPer[dtype] === 2) {
        wasm.orderedDifference16(post.pointer, base.pointer, planes.pointer, count)
      } else wasm.orderedDifference32(post.pointer, base.pointer, planes.pointer, count)
    },
    orderedSum(dtype, planes, base, post, count) {
      for (const region of [planes, base, post]) holds(region, count * bytesPer[dtype])
      if (bytesPer[dtype] === 2) {
        wasm.orderedSum16(planes.pointer, base.pointer, post.pointer, count)
      } else wasm.orderedSum32(planes.pointer, base.pointer, post.pointer, count)
    },
  }
}

const bytesPer: Readonly<Record<WeightDType, number>> = { F32: 4, BF16: 2, F16: 2 }
const numberOf: Readonly<Record<WeightDType, number>> = { F32: 0, BF16: 1, F16: 2 }

/** Pointers are raw: a count that is too large would overwrite a neighbour. */
function holds(region: Region, bytes: number): void {
  if (bytes >= 0 && bytes <= region.bytes) return
  throw new InvalidInputError(
    'E_REGION',
    `expected a region of at least ${bytes} bytes, got ${region.bytes}`,
    { expected: bytes, actual: region.bytes },
  )
}

function holdFloats(count: number, ...regions: readonly Region[]): void {
  for (const region of regions) holds(region, count * 4)
}

function holdBits(count: number, bits: Region): void {
  holds(bits, Math.ceil(count / 8))
}

/** The Philox block of the first element, as two words. */
function blockOf({ from }: Pick<MaskedScale, 'from'>): [low: number, high: number] {
  if (!(Number.isSafeInteger(from) && from >= 0 && from % 4 === 0)) {
    throw new InvalidInputError(
      'E_REGION',
      `expected \`from\` to be a multiple of 4, got ${from}`,
      {
        expected: 'a multiple of 4',
        actual: from,
      },
    )
  }
  return [(from / 4) >>> 0, Math.floor(from / 2 ** 34)]
}
