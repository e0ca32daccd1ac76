import { createHash } from 'node:crypto'
import { IncompatibleError } from '../errors.ts'
import { seedParameter } from '../parameters.ts'
import { dropThreshold, maskKey } from '../random.ts'
import { dtypeBytes } from '../tensors/dtype.ts'
import { elementsOf } from '../tensors/tensor.ts'
import { defineCodec } from './index.ts'
import { bitmapBytes, clearPadding, firstOnlyIn, readBitmap } from './sections/bits.ts'
import { allocateBuffers, blockCapacity, createBlockReader, eachBlock } from './sections/block.ts'
import {
  badEncoding,
  checkSize,
  checkStored,
  outOfRange,
  weightDType,
} from './sections/encoding.ts'
import { createSectionReader } from './sections/section-reader.ts'

/** Parameters of an explicit mask, which needs no seed and therefore stores none. */
const explicit = {
  mask: {
    type: 'choice',
    default: 'explicit',
    options: ['explicit', 'seeded'],
    about: 'store one bit per weight, or draw the kept weights again from the seed',
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

/**
 * The kept values in order and which they are. A weight takes b·k bits, where k is the kept share and
 * b the bits of a value, and one more where the mask is stored.
 *
 * Sections: `values`, the kept elements rounded to nearest even in the dtype of `values`; `mask`,
 * bit i is 1 where element i is kept, for explicit masks only. An explicit mask keeps Δᵢ ≠ 0. A
 * seeded mask keeps what DARE with the same seed and probability keeps (Philox, `maskKey`), zeros
 * among them.
 *
 * Decoded: where kept, f32 of the stored value; +0 elsewhere. With `values: F32` that is the delta,
 * apart from a −0 that an explicit mask turns into +0.
 */
export const codec = defineCodec({
  id: 'sparse',
  about: 'the weights that are not zero, with a stored or a seeded mask',
  reference: 'masks: DARE, arXiv 2311.03099; Philox4x32-10, Salmon et al., SC 2011',
  exact: false,
  parameters,

  async encode(tensor, { mask, seed, drop, values }, sink, { kernels }) {
    const { name } = tensor.spec
    weightDType(tensor.spec)
    const capacity = blockCapacity(tensor.spec)
    const bitBytes = bitmapBytes(capacity)
    using buffers = allocateBuffers(kernels, [bitBytes, bitBytes, capacity * 4, capacity * 4])
    const [drawn, nonzero, packed, wide] = buffers.regions
    const draw = drawOf(seed, drop, name)

    const hash = createHash('sha256')
    for await (const { from, count, delta } of eachBlock(tensor)) {
      kernels.packNonzero(delta, nonzero, count)
      clearPadding(nonzero, count)
      if (mask === 'seeded') {
        kernels.maskBits(drawn, count, { ...draw, from })
        const dropped = firstOnlyIn(nonzero.u8, drawn.u8, count)
        if (dropped >= 0) throw notDropped(name, from + dropped, delta.f32[dropped]!, seed, drop)
      } else await sink(MASK, nonzero.u8.subarray(0, bitmapBytes(count)))
      const bits = mask === 'seeded' ? drawn : nonzero
      const kept = kernels.compact(delta, bits, wide, count)
      kernels.narrow(values, wide, packed, kept)
      kernels.widen(values, packed, wide, kept)
      const overflow = kernels.firstNonFinite(wide, kept)
      if (overflow >= 0) throw outOfRange(name, values, wide.f32[overflow])
      if (kept > 0) await sink(VALUES, packed.u8.subarray(0, kept * dtypeBytes[values]))
      kernels.expand(wide, bits, packed, count)
      hash.update(packed.u8.subarray(0, count * 4))
    }
    return {
      parameters: mask === 'seeded' ? { mask, seed, drop, values } : { mask, values },
      sha256: new Uint8Array(hash.digest()),
    }
  },

  async open(tensor, sections, { kernels }) {
    const { spec } = tensor
    weightDType(spec)
    const seeded = tensor.parameters.mask === 'seeded' ? checkStored(tensor, parameters) : undefined
    const { values } = seeded ?? checkStored(tensor, explicit)
    const elements = elementsOf(spec.shape)
    const width = dtypeBytes[values]
    checkSize(sections, MASK, seeded ? 0 : bitmapBytes(elements))
    checkSize(sections, VALUES, 0, elements * width)

    const capacity = blockCapacity(spec)
    const buffers = allocateBuffers(kernels, [bitmapBytes(capacity), capacity * 4, capacity * 4])
    const [bits, packed, wide] = buffers.regions
    const maskReader = createSectionReader(sections, MASK)
    const valueReader = createSectionReader(sections, VALUES)
    const draw = seeded && drawOf(seeded.seed, seeded.drop, spec.name)

    return createBlockReader(spec, {
      async read(out, count, _base, from) {
        if (draw) kernels.maskBits(bits, count, { ...draw, from })
        else await readBitmap(maskReader, bits, count)
        const kept = kernels.countBits(bits, count)
        packed.u8.set(await valueReader.take(kept * width))
        kernels.widen(values, packed, wide, kept)
        const bad = kernels.firstNonFinite(wide, kept)
        if (bad >= 0) throw badEncoding(`a value of '${spec.name}'`, 'finite', wide.f32[bad])
        kernels.expand(wide, bits, out, count)
      },
      end() {
        maskReader.end()
        valueReader.end()
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
