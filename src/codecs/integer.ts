import { allocateBuffers } from '../compute/buffers.ts'
import type { Region } from '../compute/kernels.ts'
import { sliceRegion } from '../compute/slice-region.ts'
import { elementsOf, type TensorSpec } from '../tensors/tensor.ts'
import { defineCodec } from './index.ts'
import { type ScaleLayout, scaleLayout, scaleRange } from './scales/layout.ts'
import { blockCapacity, createBlockReader, eachBlock } from './sections/block.ts'
import {
  codeBytes,
  codeScratchBytes,
  decodeCodes,
  encodeCodes,
  packedCodes,
} from './sections/codes.ts'
import { badEncoding, checkSize, checkStored, weightDType } from './sections/encoding.ts'
import { fitGrid, type Grid, gridOf, schemes } from './integer/grid.ts'
import { createSectionReader } from './sections/section-reader.ts'
import { createTally } from './sections/tally.ts'
import {
  createValueReader,
  type ValueReader,
  valueBytes,
  valueScratchBytes,
  writeValues,
} from './sections/values.ts'

const parameters = {
  bits: { type: 'number', default: 4, min: 2, max: 8, integer: true, about: 'bits of a code' },
  group: {
    type: 'number',
    default: 128,
    min: 0,
    max: 65_536,
    integer: true,
    about: 'weights of a row that share a scale; 0 for the whole row',
  },
  scheme: {
    type: 'choice',
    default: 'symmetric',
    options: schemes,
    about: 'codes around zero, between the extremes, or around zero as GPTQ has them',
  },
  scale: {
    type: 'choice',
    default: 'BF16',
    options: ['F32', 'BF16', 'F16'],
    about: 'dtype of the scales',
  },
} as const

/**
 * Whole numbers of b bits with a scale per group: at most b + (bits of a scale) ÷ group bits per
 * weight, and less where codes near zero are the common ones.
 *
 * A group is `group` consecutive elements of a row, all that share the first index; a tensor of one
 * dimension is one row. Where `group` does not divide the row, what is left is the row's last
 * group. With L and H its least and greatest element, or 0, and A = max(−L, H), a group's scale s
 * and zero point z are, by `scheme`:
 *
 *     symmetric    s = A ÷ (2^(b−1) − 1)       z = 2^(b−1)           codes 1 … 2^b − 1
 *     gptq         s = 2·A ÷ (2^b − 1)         z = 2^(b−1)           codes 0 … 2^b − 1
 *     asymmetric   s = (H − L) ÷ (2^b − 1)     z = round(−L ÷ s)     codes 0 … 2^b − 1
 *
 * s is rounded as `fitGrid` says and then divides: c = round(Δ ÷ s) + z within the codes, where the
 * quotient is f32 and the rounding half to even. So |Δ̂ − Δ| ≤ s ÷ 2 with `symmetric`, and ≤ s with
 * the others, whose largest value may lie outside the codes, apart from roundings to f32.
 *
 * Sections: `scales`, s of every group (`sections/values.ts`); `zeros`, z of every group alike in
 * BF16, which holds them exactly, for `asymmetric` only; `codes`, per block (`sections/codes.ts`).
 *
 * Decoded: s · (c − z), the product rounded to f32. A group of zeros has s = 0.
 */
export const codec = defineCodec({
  id: 'integer',
  about: 'whole numbers of 2 to 8 bits with a scale for each group of weights',
  reference: 'GPTQ, arXiv 2210.17323; round to nearest, ZeroQuant, arXiv 2206.01861',
  exact: false,
  parameters,

  memory(use, spec, { group }) {
    return use === 'encode' ? 8 * groupsOf(spec, Number(group)).count : 0
  },

  async encode(tensor, { bits, group, scheme, scale: dtype }, sink, { kernels }) {
    const { spec } = tensor
    weightDType(spec)
    const grid = gridOf(scheme, bits)
    const form = packedCodes(bits)
    const layout = groupsOf(spec, group)
    const { count: groups } = layout
    const capacity = blockCapacity(spec)
    using buffers = allocateBuffers(kernels, [
      groups * 4,
      groups * 4,
      valueScratchBytes(groups),
      capacity,
      codeScratchBytes(capacity, form),
      capacity * 4,
    ])
    const [scales, zeros, valueScratch, codes, codeScratch, out] = buffers.regions
    /** The groups of a block: where it begins among them, and what is kept of them. */
    const groupsIn = (from: number, count: number) => {
      const { at, first, end } = scaleRange(layout, from, count)
      const part = (region: Region) => sliceRegion(region, first * 4, (end - first) * 4)
      return { at, scales: part(scales), zeros: part(zeros) }
    }

    for (const extremes of [scales, zeros]) extremes.f32.fill(0)
    for await (const { from, count, delta } of eachBlock(tensor)) {
      const { at, scales: lows, zeros: highs } = groupsIn(from, count)
      kernels.groupExtremes(delta, count, at, lows, highs)
    }
    fitGrid(kernels, grid, dtype, scales, zeros, groups)
    const section = { kernels, name: spec.name, count: groups, scratch: valueScratch }
    await writeValues({ ...section, dtype }, scales, (bytes) => sink(SCALES, bytes))
    if (grid.zero === undefined) {
      await writeValues({ ...section, dtype: ZERO_DTYPE }, zeros, (bytes) => sink(ZEROS, bytes))
    }

    const tally = createTally(kernels)
    for await (const { from, count, delta } of eachBlock(tensor)) {
      const { at, scales: s, zeros: z } = groupsIn(from, count)
      kernels.quantise(delta, codes, count, at, s, z, grid)
      await sink(CODES, encodeCodes(kernels, codes, count, form, codeScratch))
      kernels.dequantise(codes, out, count, at, s, z)
      tally.add(delta, out, count)
    }
    return { parameters: { bits, group, scheme, scale: dtype }, ...tally.finish() }
  },

  async open(tensor, sections, { kernels }) {
    const { spec } = tensor
    weightDType(spec)
    const { bits, group, scheme, scale: dtype } = checkStored(tensor, parameters)
    const grid = gridOf(scheme, bits)
    const form = packedCodes(bits)
    const layout = groupsOf(spec, group)
    const { count: groups } = layout
    const ownZeros = grid.zero === undefined ? groups : 0
    checkSize(sections, SCALES, ...valueBytes(groups, dtype))
    checkSize(sections, ZEROS, ...valueBytes(ownZeros, ZERO_DTYPE))
    checkSize(sections, CODES, ...codeBytes(elementsOf(spec.shape), form))

    const capacity = blockCapacity(spec)
    const most = Math.min(groups, capacity)
    const buffers = allocateBuffers(kernels, [
      most * 4,
      most * 4,
      valueScratchBytes(groups),
      valueScratchBytes(ownZeros),
      capacity,
      codeScratchBytes(capacity, form),
    ])
    const [scales, zeros, scaleScratch, zeroScratch, codes, codeScratch] = buffers.regions
    const { name } = spec
    const scaleReader = createValueReader(
      { kernels, name, dtype, count: groups, scratch: scaleScratch },
      createSectionReader(sections, SCALES),
    )
    const zeroReader = createValueReader(
      { kernels, name, dtype: ZERO_DTYPE, count: ownZeros, scratch: zeroScratch },
      createSectionReader(sections, ZEROS),
    )
    if (grid.zero !== undefined) zeros.f32.fill(grid.zero)
    const readScales = rolling(scaleReader, scales, (s) => s >= 0 && !Object.is(s, -0))
    const readZeros = rolling(zeroReader, zeros, (z) => Number.isInteger(z) && isCode(z, grid))
    const codeReader = createSectionReader(sections, CODES)

    return createBlockReader(spec, {
      async read(out, count, _base, from) {
        const { at, first, end } = scaleRange(layout, from, count)
        await readScales(first, end)
        if (grid.zero === undefined) await readZeros(first, end)
        await decodeCodes(kernels, codeReader, codes, count, form, codeScratch)
        kernels.dequantise(codes, out, count, at, scales, zeros)
        const bad = kernels.firstNonFinite(out, count)
        if (bad >= 0) throw badEncoding(`a value of '${name}'`, 'finite', out.f32[bad])
      },
      end() {
        scaleReader.end()
        zeroReader.end()
        codeReader.end()
      },
      close: () => buffers[Symbol.dispose](),
    })
  },
})

const SCALES = 'scales'
const ZEROS = 'zeros'
const CODES = 'codes'

/** Holds every whole number up to 256. */
const ZERO_DTYPE = 'BF16' as const

/** A group is a run of a row; 0 stands for the whole row. */
function groupsOf({ shape }: TensorSpec, group: number): ScaleLayout {
  return scaleLayout(shape, { scales: 'group', group: group === 0 ? Infinity : group })
}

function isCode(value: number, { first, last }: Grid): boolean {
  return value >= first && value <= last
}

/**
 * Reads what is kept per group as blocks come: puts entries `first … end−1` to the front of
 * `region`. A group may reach from one block into the next.
 */
function rolling(reader: ValueReader, region: Region, isValid: (value: number) => boolean) {
  /** Entries in `region` are those from `front` on, up to `read`. */
  let front = 0
  let read = 0
  return async (first: number, end: number): Promise<void> => {
    if (first < read) region.f32[0] = region.f32[first - front]!
    const carried = read - first
    const fresh = end - read
    const values = sliceRegion(region, 4 * carried, 4 * fresh)
    await reader.take(values, fresh)
    const bad = values.f32.subarray(0, fresh).findIndex((value) => !isValid(value))
    if (bad >= 0) throw badEncoding('a scale or zero point', 'one in range', values.f32[bad])
    ;[front, read] = [first, end]
  }
}
