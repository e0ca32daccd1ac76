import { allocateBuffers } from '../compute/buffers.ts'
import { IncompatibleError } from '../errors.ts'
import { seedParameter } from '../parameters.ts'
import { dropThreshold, maskKey } from '../random.ts'
import { elementsOf } from '../tensors/tensor.ts'
import { defineCodec } from './index.ts'
import { MAX_ELEMENTS } from './manifest/limits.ts'
import { bitmapBytes, clearPadding, firstOnlyIn } from './sections/bits.ts'
import { blockCapacity, createBlockReader, eachBlock } from './sections/block.ts'
import { badEncoding, checkSize, checkStored, weightDType } from './sections/encoding.ts'
import { decodeMask, encodeMask, maskBytes, maskScratchBytes } from './sections/mask.ts'
import { createSectionReader } from './sections/section-reader.ts'
import { createTally } from './sections/tally.ts'
import {
  createValueReader,
  createValueWriter,
  valueBytes,
  valueScratchBytes,
} from './sections/values.ts'

/** Parameters of an explicit mask, which needs no seed and therefore stores none. */
const explicit = {
  mask: {
    type: 'choice',
    default: 'explicit',
    options: ['explicit', 'seeded'],
    about: 'store which weights are kept, or draw them again from the seed',
  },
  values: {
    type: 'choice',
    default: 'F32',
    options: ['F32', 'BF16', 'F16'],
    about: 'dtype of the stored values',
  },
} as const

const parameters = {
  ...explicit,
  seed: seedParameter('seed of the mask with which the weights were dropped (seeded masks)'),
  drop: {
    type: 'number',
    default: 0.9,
    min: 0,
    max: 1,
    about: 'probability with which the weights were dropped (seeded masks)',
  },
} as const

/** How many values are stored, which only a decoder asks. */
const kept = {
  kept: {
    type: 'number',
    default: 0,
    min: 0,
    max: MAX_ELEMENTS,
    integer: true,
    about: 'number of stored values',
  },
} as const

/**
 * The kept values in order and which they are. With a share k of n weights kept, an explicit mask
 * takes its entropy, n·H₂(k) bits, within 3 %, and a value that of its bytes.
 *
 * Sections: `values`, the kept elements rounded to nearest even in the dtype of `values`
 * (`sections/values.ts`); `mask`, per block which elements are kept (`sections/mask.ts`), for
 * explicit masks only. An explicit mask keeps Δᵢ ≠ 0. A seeded mask keeps what DARE with the same
 * seed and probability keeps (Philox, `maskKey`), zeros among them.
 *
 * Decoded: where kept, f32 of the stored value; +0 elsewhere. With `values: F32` that is the delta,
 * apart from a −0 that an explicit mask turns into +0.
 */
export const codec = defineCodec({
  id: 'sparse',
  about: 'the weights that are not zero, with a stored or a seeded mask',
  reference:
    'masks: DARE, arXiv 2311.03099; Philox4x32-10, Salmon et al., SC 2011; gaps: Golomb, ' +
    'IEEE Trans. IT 12 (1966); Rice and Plaunt, IEEE Trans. Commun. 19 (1971)',
  exact: false,
  parameters,

  async encode(tensor, { mask, seed, drop, values: dtype }, sink, { kernels }) {
    const { name, shape } = tensor.spec
    weightDType(tensor.spec)
    const capacity = blockCapacity(tensor.spec)
    const bitBytes = bitmapBytes(capacity)
    using buffers = allocateBuffers(kernels, [
      bitBytes,
      bitBytes,
      maskScratchBytes(capacity),
      capacity * 4,
      capacity * 4,
      valueScratchBytes(elementsOf(shape)),
    ])
    const [drawn, nonzero, maskScratch, values, out, scratch] = buffers.regions
    const section = { kernels, name, dtype, count: elementsOf(shape), scratch }
    const writer = createValueWriter(section, (bytes) => sink(VALUES, bytes))
    const draw = drawOf(seed, drop, name)

    const tally = createTally(kernels)
    let total = 0
    for await (const { from, count, delta } of eachBlock(tensor)) {
      kernels.packNonzero(delta, nonzero, count)
      clearPadding(nonzero, count)
      if (mask === 'seeded') {
        kernels.maskBits(drawn, count, { ...draw, from })
        const dropped = firstOnlyIn(nonzero.u8, drawn.u8, count)
        if (dropped >= 0) throw notDropped(name, from + dropped, delta.f32[dropped]!, seed, drop)
      } else await sink(MASK, encodeMask(kernels, nonzero, count, maskScratch))
      const bits = mask === 'seeded' ? drawn : nonzero
      const found = kernels.compact(delta, bits, values, count)
      await writer.write(values, found)
      total += found
      kernels.expand(values, bits, out, count)
      tally.add(delta, out, count)
    }
    await writer.end()
    const stored = { mask, values: dtype, kept: total }
    return {
      parameters: mask === 'seeded' ? { ...stored, seed, drop } : stored,
      ...tally.finish(),
    }
  },

  async open(tensor, sections, { kernels }) {
    const { spec } = tensor
    weightDType(spec)
    const seeded =
      tensor.parameters['mask'] === 'seeded'
        ? checkStored(tensor, { ...parameters, ...kept })
        : undefined
    const { values: dtype, kept: total } = seeded ?? checkStored(tensor, { ...explicit, ...kept })
    const elements = elementsOf(spec.shape)
    if (total > elements) throw badEncoding(`values of '${spec.name}'`, elements, total)
    const [least, most] = seeded ? [0, 0] : maskBytes(elements)
    checkSize(sections, MASK, least, most)
    checkSize(sections, VALUES, ...valueBytes(total, dtype))

    const capacity = blockCapacity(spec)
    const buffers = allocateBuffers(kernels, [
      bitmapBytes(capacity),
      maskScratchBytes(capacity),
      capacity * 4,
      valueScratchBytes(total),
    ])
    const [bits, maskScratch, values, scratch] = buffers.regions
    const masks = createSectionReader(sections, MASK)
    const section = { kernels, name: spec.name, dtype, count: total, scratch }
    const reader = createValueReader(section, createSectionReader(sections, VALUES))
    const draw = seeded && drawOf(seeded.seed, seeded.drop, spec.name)

    return createBlockReader(spec, {
      async read(out, count, _base, from) {
        if (draw) kernels.maskBits(bits, count, { ...draw, from })
        else await decodeMask(kernels, masks, bits, count, maskScratch)
        await reader.take(values, kernels.countBits(bits, count))
        kernels.expand(values, bits, out, count)
      },
      end() {
        masks.end()
        reader.end()
      },
      close: () => buffers[Symbol.dispose](),
    })
  },
})

const MASK = 'mask'
const VALUES = 'values'

function drawOf(seed: number, drop: number, tensor: string) {
  return { key: maskKey(seed, tensor), threshold: dropThreshold(drop) }
}

function notDropped(
  tensor: string,
  element: number,
  value: number,
  seed: number,
  drop: number,
): IncompatibleError {
  return new IncompatibleError(
    'E_MASK',
    `element ${element} of '${tensor}' is ${value}, but the mask of seed ${seed} drops it`,
    {
      expected: `0 wherever the mask of seed ${seed} and probability ${drop} drops`,
      actual: value,
      fix: ['use `mask: explicit`', 'use the seed and the probability of the edit that dropped'],
      details: { tensor, element },
    },
  )
}
