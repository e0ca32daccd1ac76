import { createHash } from 'node:crypto'
import { allocateBuffers } from '../compute/buffers.ts'
import { COUNTS_BYTES, encodedCapacity } from '../compute/kernels/entropy.ts'
import { extraCapacity, type SplitDifference } from '../compute/kernels/ordered.ts'
import type { Kernels, Region } from '../compute/kernels.ts'
import { MalformedError } from '../errors.ts'
import { sliceRegion } from '../compute/slice-region.ts'
import { BLOCK_ELEMENTS } from '../tensors/blocks.ts'
import { dtypeBytes, type WeightDType } from '../tensors/dtype.ts'
import { elementsOf } from '../tensors/tensor.ts'
import { defineCodec, type DeltaTensor } from './index.ts'
import { blockCapacity, createBlockReader, eachBlock } from './sections/block.ts'
import { chooseModels, MAX_MODELS_BYTES, readModels } from './raw/choose-models.ts'
import { badEncoding, checkSize, checkStored, weightDType } from './sections/encoding.ts'
import { EXPONENTS, loadModels, MODEL_BITS, modelsBytes } from './raw/exponent-models.ts'
import { createSectionReader } from './sections/section-reader.ts'

/**
 * Stores the difference of ordered bit patterns (`Kernels.splitDifference`), which together with
 * the base gives back the post-trained tensor bit for bit, whatever the rounding of post − base.
 *
 * Training moves small weights as far as large ones, which is the more representable steps the
 * smaller the base's exponent is. So symbols are coded with that exponent, which a decoder has, as
 * context.
 *
 * Sections: `models` as in `choose-models.ts`; `differences`, per block of `BLOCK_ELEMENTS` a
 * length (u24, little endian) and so many bytes: rANS states and words (`Kernels.encodeSymbols`),
 * then the extra bits, or, where those would not be shorter, the block's post-trained bytes.
 *
 * `encode` rejects with `MalformedError` `E_NOT_FINITE` for weights that are NaN or infinite.
 */
export const codec = defineCodec({
  id: 'raw',
  about: 'the post-trained weights exactly, as packed differences from the base',
  reference: 'rANS: Duda, arXiv 1311.2540; Giesen, arXiv 1402.3392',
  exact: true,
  parameters: {},

  async encode(tensor, _parameters, sink, { kernels }) {
    const dtype = weightDType(tensor.spec)
    const capacity = blockCapacity(tensor.spec)
    const extraBytes = extraCapacity(dtype, capacity)
    // In front of the words, which end where the extra bits begin, is room for the length.
    const before = 4 * Math.ceil((LENGTH_BYTES + encodedCapacity(capacity)) / 4)
    using buffers = allocateBuffers(kernels, [capacity, capacity, before + extraBytes])
    const [symbols, contexts, frame] = buffers.regions
    const words = sliceRegion(frame, 0, before)
    const split = { symbols, contexts, extra: sliceRegion(frame, before, extraBytes) }
    const hash = createHash('sha256')
    if (elementsOf(tensor.spec.shape) > 0) {
      const chosen = chooseModels(dtype, await countDifferences(tensor, dtype, split, kernels))
      await sink(MODELS, chosen.bytes)
      using allocated = allocateBuffers(kernels, [modelsBytes(chosen), EXPONENTS])
      const [region, map] = allocated.regions
      loadModels(kernels, chosen, region, map)
      const models = { region, count: chosen.models.length, bits: MODEL_BITS }
      for await (const { count, post, base } of eachBlock(tensor)) {
        const extra = kernels.splitDifference(dtype, post, base, map, split, count)
        const used = kernels.encodeSymbols(symbols, contexts, count, models, words)
        const plain = post.u8.subarray(0, count * dtypeBytes[dtype])
        const length = used + extra
        const start = before - used - LENGTH_BYTES
        if (length < plain.length) {
          writeLength(frame.u8, start, length)
          await sink(DIFFERENCES, frame.u8.subarray(start, before + extra))
        } else {
          writeLength(frame.u8, 0, plain.length)
          await sink(DIFFERENCES, frame.u8.subarray(0, LENGTH_BYTES))
          await sink(DIFFERENCES, plain)
        }
        hash.update(plain)
      }
    }
    return { parameters: {}, sha256: new Uint8Array(hash.digest()), squaredError: 0 }
  },

  async open(tensor, sections, { kernels }) {
    const { spec } = tensor
    const dtype = weightDType(spec)
    const width = dtypeBytes[dtype]
    const elements = elementsOf(spec.shape)
    const blocks = Math.ceil(elements / BLOCK_ELEMENTS)
    checkStored(tensor, {})
    checkSize(sections, MODELS, Math.min(1, blocks), elements > 0 ? MAX_MODELS_BYTES : 0)
    checkSize(sections, DIFFERENCES, 4 * blocks, 3 * blocks + width * elements)
    const stored = sections.bytes(MODELS)
    const chosen = readModels(dtype, stored > 0 ? await sections.read(MODELS, 0, stored) : NONE)

    const capacity = blockCapacity(spec)
    const buffers = allocateBuffers(kernels, [
      modelsBytes(chosen),
      EXPONENTS,
      capacity,
      capacity,
      capacity * width,
      capacity * width,
      capacity * 4,
    ])
    const [region, map, symbols, contexts, input, post, wide] = buffers.regions
    loadModels(kernels, chosen, region, map)
    const models = { region, count: chosen.models.length, bits: MODEL_BITS }
    const reader = createSectionReader(sections, DIFFERENCES)

    async function readPost(out: Region, count: number, base: Region): Promise<void> {
      const length = lengthOf(await reader.take(LENGTH_BYTES))
      const plain = count * width
      if (length > plain) throw badEncoding('length of a block', `at most ${plain}`, length)
      const bytes = await reader.take(length)
      if (length === plain) out.u8.set(bytes)
      else {
        input.u8.set(bytes)
        kernels.exponents(dtype, base, map, contexts, count)
        const coded = { input, bytes: length, contexts }
        const used = kernels.decodeSymbols(coded, models, symbols, count)
        const extra = { input, from: used, to: length }
        const whole = used > 0 && kernels.joinDifference(dtype, symbols, extra, base, out, count)
        if (!whole) throw badEncoding(`a block of '${spec.name}'`, 'words and extra bits', 'others')
      }
      kernels.widen(dtype, out, wide, count)
      if (kernels.firstNonFinite(wide, count) >= 0) throw notFinite(spec.name)
    }
    return createBlockReader(spec, {
      readPost,
      async read(out, count, base) {
        await readPost(post, count, base)
        kernels.widen(dtype, base, out, count)
        kernels.subtract(wide, out, out, count)
        if (kernels.firstNonFinite(out, count) >= 0) throw notFinite(spec.name)
      },
      end: () => reader.end(),
      close: () => buffers[Symbol.dispose](),
    })
  },
})

const MODELS = 'models'
const DIFFERENCES = 'differences'
/** Of the length in front of each block. */
const LENGTH_BYTES = 3

const NONE = new Uint8Array(0)

/** How often each symbol occurs under each exponent of the base. */
async function countDifferences(
  tensor: DeltaTensor,
  dtype: WeightDType,
  split: SplitDifference,
  kernels: Kernels,
): Promise<Uint32Array> {
  using buffers = allocateBuffers(kernels, [COUNTS_BYTES * EXPONENTS, EXPONENTS])
  const [counts, exponents] = buffers.regions
  counts.u8.fill(0)
  for (let exponent = 0; exponent < EXPONENTS; exponent++) exponents.u8[exponent] = exponent
  for await (const { count, post, base } of eachBlock(tensor)) {
    if (kernels.firstNonFiniteOf(dtype, post, count) >= 0) throw notStored(tensor.spec.name)
    kernels.splitDifference(dtype, post, base, exponents, split, count)
    kernels.countSymbols(split.symbols, split.contexts, count, counts)
  }
  return counts.u32.slice()
}

function writeLength(bytes: Uint8Array, at: number, length: number): void {
  bytes[at] = length
  bytes[at + 1] = length >> 8
  bytes[at + 2] = length >> 16
}

function lengthOf([low, middle, high]: Uint8Array): number {
  return low! + middle! * 2 ** 8 + high! * 2 ** 16
}

/** What no reader of it would accept. */
function notStored(name: string): MalformedError {
  return new MalformedError('E_NOT_FINITE', `'${name}' has a weight that is not finite`, {
    expected: 'finite weights',
    actual: 'NaN or ±∞',
    fix: 'use a checkpoint from before the training diverged, or weaker edits',
    details: { tensor: name },
  })
}

function notFinite(name: string): MalformedError {
  return badEncoding(`'${name}' decodes to a value that is not finite`, 'finite', 'NaN or ±∞')
}
