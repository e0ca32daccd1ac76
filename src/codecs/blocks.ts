import { allocateBuffers } from '../compute/buffers.ts'
import { doublesOf } from '../compute/doubles-of.ts'
import {
  BLOCK_SUMS_BYTES,
  BLOCK_VALUES_BYTES,
  HISTOGRAM_BYTES,
  type Kernels,
  type Region,
} from '../compute/kernels.ts'
import { orderStatisticsBytes } from '../compute/order-statistics.ts'
import { elementsOf } from '../tensors/tensor.ts'
import { defineCodec, type DeltaTensor } from './index.ts'
import { equalCount } from './partition/equal-count.ts'
import { equalWidth } from './partition/equal-width.ts'
import { lloydMax } from './partition/lloyd-max.ts'
import { createPartitionTable, type Partition } from './partition/partition.ts'
import { blockCapacity, createBlockReader, eachBlock } from './sections/block.ts'
import {
  codeBytes,
  codeScratchBytes,
  codesInBitmaps,
  decodeCodes,
  encodeCodes,
} from './sections/codes.ts'
import {
  badEncoding,
  checkMagnitudes,
  checkSize,
  checkStored,
  outOfRange,
  weightDType,
} from './sections/encoding.ts'
import { owning } from './sections/owning.ts'
import { createSectionReader } from './sections/section-reader.ts'
import { createTally } from './sections/tally.ts'
import { createSignWriter, openSigns, zeros } from './sections/signs.ts'

/** More would cost what an integer of 8 bits does. */
const MAX_BLOCKS = 64

const splits = { 'equal-count': equalCount, 'equal-width': equalWidth, lloyd: lloydMax }

/**
 * A sign and one of M magnitudes per element: the tensor's magnitudes in ascending order are cut
 * into M blocks, and each becomes the mean of its own. 1 + log₂ M bits per weight where blocks are
 * of equal count, fewer where they are not; a zero that is kept has neither. M = 1 is
 * `bitdelta`; M = n, which fewer elements than blocks make of any M, loses nothing with blocks of
 * equal count. An error of equal-count blocks does not grow when every block is halved.
 *
 * Sections: `signs` and `nonzero` (sections/signs.ts); `values`, M means as f32(Σ|Δ| ÷ count), in
 * f64 but the last rounding, element by element, 0 for a block that holds none; `indexes` for M >
 * 1, of the elements that have a sign (sections/codes.ts). Zeros count in their block's mean.
 *
 * Decoded, without any arithmetic: the value of the element's block with its sign; +0 where
 * `nonzero` is 0 and where the value is.
 */
export const codec = defineCodec({
  id: 'blocks',
  about: 'true signs, and magnitudes rounded to the mean of one of M blocks',
  reference: 'generalised BitDelta: arXiv 2410.13841, section 5.3',
  exact: false,
  parameters: {
    blocks: {
      type: 'number',
      default: 16,
      min: 1,
      max: MAX_BLOCKS,
      integer: true,
      about: 'magnitudes of a tensor; 16 lose nothing measurable in the paper',
    },
    split: {
      type: 'choice',
      default: 'equal-count',
      options: ['equal-count', 'equal-width', 'lloyd'],
      about: 'blocks of as many weights each, of one width, or of least squared error',
    },
    zeros,
  },

  memory(use, _spec, { blocks, split }) {
    if (use === 'read') return 0
    if (split === 'equal-count') return orderStatisticsBytes(Math.max(0, Number(blocks) - 1))
    return split === 'lloyd' ? HISTOGRAM_BYTES : 0
  },

  async encode(tensor, { blocks, split, zeros: policy }, sink, { kernels }) {
    const { spec } = tensor
    weightDType(spec)
    const elements = elementsOf(spec.shape)
    const capacity = blockCapacity(spec)
    const partition = await splits[split](tensor, Math.min(blocks, elements), kernels)
    const used = elements === 0 ? 0 : partition.borders.length + 1
    const form = codesInBitmaps(bitsFor(used))
    using table = createPartitionTable(kernels, used)
    using buffers = allocateBuffers(kernels, [
      capacity,
      codeScratchBytes(capacity, form),
      BLOCK_VALUES_BYTES,
      capacity * 4,
    ])
    const [indexes, codes, values, out] = buffers.regions
    const { means, zeroCount } = await blockMeans(tensor, partition, kernels)
    values.f32.set(means.subarray(0, used))
    const bad = kernels.firstNonFinite(values, used)
    if (bad >= 0) throw outOfRange(spec.name, 'F32 values', means[bad])
    using signs = createSignWriter(kernels, spec, sink, { zeros: policy, zeroCount })
    const { nonzero } = signs
    using room = allocateBuffers(kernels, [nonzero ? capacity * 4 : 0])
    const [changed] = room.regions

    const tally = createTally(kernels)
    table.set(partition)
    for await (const { count, delta } of eachBlock(tensor)) {
      const kept = await signs.write(delta, count)
      if (nonzero) kernels.compact(delta, nonzero, changed, count)
      kernels.assignBlocks(nonzero ? changed : delta, indexes, kept, table)
      if (used > 1 && kept > 0) {
        await sink(INDEXES, encodeCodes(kernels, indexes, kept, form, codes))
      }
      kernels.lookUpBlocks(indexes, values, nonzero ? changed : out, kept)
      if (nonzero) kernels.expand(changed, nonzero, out, count)
      signs.apply(out, count)
      tally.add(delta, out, count)
    }
    if (used > 0) await sink(VALUES, values.u8.subarray(0, used * 4))
    return { parameters: { zeros: policy }, ...tally.finish() }
  },

  async open(tensor, sections, { kernels }) {
    const { spec } = tensor
    weightDType(spec)
    const stored = checkStored(tensor, { zeros })
    const elements = elementsOf(spec.shape)
    checkSize(sections, VALUES, elements > 0 ? 4 : 0, 4 * Math.min(MAX_BLOCKS, elements))
    const blocks = sections.bytes(VALUES) / 4
    const form = codesInBitmaps(bitsFor(blocks))
    checkSize(sections, INDEXES, 0, blocks > 1 ? codeBytes(elements, form)[1] : 0)
    const found = await sections.read(VALUES, 0, sections.bytes(VALUES))

    const capacity = blockCapacity(spec)
    return owning((own, close) => {
      const signs = own(openSigns(kernels, spec, sections, stored.zeros))
      const { nonzero } = signs
      const sizes = [
        capacity,
        codeScratchBytes(capacity, form),
        BLOCK_VALUES_BYTES,
        nonzero ? capacity * 4 : 0,
      ] as const
      const [indexes, codes, values, changed] = own(allocateBuffers(kernels, sizes)).regions
      putValues(values, found)
      indexes.u8.fill(0)
      const reader = createSectionReader(sections, INDEXES)
      return createBlockReader(spec, {
        async read(out, count) {
          const kept = await signs.read(count)
          if (blocks > 1 && kept > 0) {
            await decodeCodes(kernels, reader, indexes, kept, form, codes)
          }
          const highest = kernels.lookUpBlocks(indexes, values, nonzero ? changed : out, kept)
          if (highest >= blocks) throw badEncoding('no such block', `below ${blocks}`, highest)
          if (nonzero) kernels.expand(changed, nonzero, out, count)
          signs.apply(out, count)
        },
        end() {
          signs.end()
          reader.end()
        },
        close,
      })
    })
  },
})

const VALUES = 'values'
const INDEXES = 'indexes'

/** Bits of a number below `blocks`. */
function bitsFor(blocks: number): number {
  return blocks <= 1 ? 0 : 32 - Math.clz32(blocks - 1)
}

/** The means of a partition's blocks by one pass, as f64, and how many elements are zero. */
async function blockMeans(tensor: DeltaTensor, partition: Partition, kernels: Kernels) {
  using table = createPartitionTable(kernels, partition.borders.length + 1)
  using buffers = allocateBuffers(kernels, [blockCapacity(tensor.spec), BLOCK_SUMS_BYTES])
  const [indexes, sums] = buffers.regions
  sums.u8.fill(0)
  table.set(partition)
  let zeroCount = 0
  for await (const { count, delta } of eachBlock(tensor)) {
    zeroCount += kernels.countMagnitude(delta, count, 0)
    kernels.assignBlocks(delta, indexes, count, table)
    kernels.sumMagnitudeBlocks(delta, indexes, count, sums)
  }
  const pairs = doublesOf(sums)
  const means = Float64Array.from({ length: partition.borders.length + 1 }, (_, block) => {
    return pairs[2 * block]! / Math.max(1, pairs[2 * block + 1]!)
  })
  return { means, zeroCount }
}

function putValues(values: Region, bytes: Uint8Array): void {
  if (bytes.length % 4 !== 0) throw badEncoding('values', 'whole numbers of F32', bytes.length)
  values.u8.set(bytes)
  checkMagnitudes(values, bytes.length / 4)
}
