import { allocateBuffers } from '../../../src/compute/buffers.ts'
import { decodeMask, maskScratchBytes } from '../../../src/codecs/sections/mask.ts'
import {
  createSectionReader,
  type SectionReader,
} from '../../../src/codecs/sections/section-reader.ts'
import { createValueReader, valueScratchBytes } from '../../../src/codecs/sections/values.ts'
import type { Kernels } from '../../../src/index.ts'
import { BLOCK_ELEMENTS } from '../../../src/tensors/blocks.ts'
import { dtypeBytes } from '../../../src/tensors/dtype.ts'
import { createConditionalEntropy } from '../conditional-entropy.ts'
import type { ChangedTensor } from './changed-tensor.ts'
import type { Encoded } from './stored-tensor.ts'

/**
 * Bits that tensors take at least when every symbol is coded by how often it occurs in its tensor, by
 * definition and with nothing of how codecs count or code: what their sizes are measured against. Of
 * an element the symbol is what the codec makes of it, all at once: its sign with zero as a third
 * one, its code, its level; planes of `residual` count apart, since siblings share them one by one.
 * Scales and means count as they are stored. For `raw` it is the entropy of all tensors' differences
 * given the exponent of the base (`conditional-entropy.ts`).
 */
export interface EntropyBound {
  /** `decoded` is the delta that the tensor decodes to. */
  add(encoded: Encoded, tensor: ChangedTensor, decoded: Float32Array): Promise<void>
  bits(): number
}

export function createEntropyBound(kernels: Kernels): EntropyBound {
  const raw = createConditionalEntropy()
  let bits = 0
  return {
    async add(encoded, tensor, decoded) {
      const { codec, spec } = encoded.tensor
      if (codec === 'raw') raw.add(spec.dtype as 'BF16' | 'F16', tensor.base, tensor.post)
      else bits += await bounds[codec]!({ ...encoded, delta: tensor.delta, decoded, kernels })
    },
    bits: () => bits + raw.bits(),
  }
}

interface Coded extends Encoded {
  readonly delta: Float32Array
  readonly decoded: Float32Array
  readonly kernels: Kernels
}

type Bound = (coded: Coded) => number | Promise<number>

const signs: Bound = ({ delta, sections }) =>
  entropyBits(delta, Math.sign) + 8 * sections.bytes('scale')

/** The bits of a section of masks. */
async function readBits(kernels: Kernels, reader: SectionReader, elements: number) {
  using buffers = allocateBuffers(kernels, [BLOCK_ELEMENTS / 8, maskScratchBytes(BLOCK_ELEMENTS)])
  const [bits, scratch] = buffers.regions
  const result = new Float32Array(elements)
  for (let from = 0; from < elements; from += BLOCK_ELEMENTS) {
    const count = Math.min(BLOCK_ELEMENTS, elements - from)
    await decodeMask(kernels, reader, bits, count, scratch)
    for (let i = 0; i < count; i++) result[from + i] = (bits.u8[i >> 3]! >> (i & 7)) & 1
  }
  return result
}

/** By codec; signs of `bitdelta` and `noise` keep zeros here. */
const bounds: Readonly<Record<string, Bound>> = {
  bitdelta: signs,
  noise: signs,
  ternary: ({ decoded, sections }) => entropyBits(decoded, Math.sign) + 8 * sections.bytes('scale'),
  blocks: ({ decoded, sections }) => entropyBits(decoded) + 8 * sections.bytes('values'),
  async residual({ tensor, sections, decoded, kernels }) {
    let bits = 8 * sections.bytes('scale')
    for (let plane = 0; plane < Number(tensor.parameters['bits']); plane++) {
      const reader = createSectionReader(sections, `signs${plane}`)
      bits += entropyBits(await readBits(kernels, reader, decoded.length))
    }
    return bits
  },
  sparse({ tensor, decoded }) {
    const { mask, kept, values } = tensor.parameters
    const stored = new Float32Array(Number(kept))
    // Zeros that a seeded mask keeps stand at the end: their place changes no count.
    stored.set(decoded.filter((value) => value !== 0))
    const ofMask = mask === 'seeded' ? 0 : entropyBits(decoded, (value) => Number(value !== 0))
    return ofMask + valueBits(stored, values as StoredDType)
  },
  async integer(coded) {
    const { group, scheme, scale: dtype } = coded.tensor.parameters
    const [rows = 1, columns = 1] = coded.tensor.spec.shape
    const width = Math.min(Number(group) || columns, columns)
    const perRow = Math.ceil(columns / width)
    const read = (section: string, of: StoredDType) => readValues(coded, section, of, rows * perRow)
    const scales = await read('scales', dtype as StoredDType)
    const zeros = scheme === 'asymmetric' ? await read('zeros', 'BF16') : undefined
    const codes = coded.decoded.map((value, i) => {
      const at = Math.floor(i / columns) * perRow + Math.floor((i % columns) / width)
      return (scales[at] === 0 ? 0 : Math.round(value / scales[at]!)) + (zeros?.[at] ?? 0)
    })
    const ofZeros = zeros === undefined ? 0 : valueBits(zeros, 'BF16')
    return entropyBits(codes) + valueBits(scales, dtype as StoredDType) + ofZeros
  },
  async 'low-rank'(coded) {
    const { rank, values } = coded.tensor.parameters
    const [rows = 0, columns = 0] = coded.tensor.spec.shape
    const dtype = values as StoredDType
    const left = await readValues(coded, 'left', dtype, rows * Number(rank))
    const right = await readValues(coded, 'right', dtype, Number(rank) * columns)
    return valueBits(left, dtype) + valueBits(right, dtype)
  },
}

/** n · H of what `symbolOf` makes of each value, by the counts of the values themselves. */
export function entropyBits(
  values: Float32Array | Uint32Array,
  symbolOf: (value: number) => number = (value) => value,
): number {
  const counts = new Map<number, number>()
  for (const value of values) {
    const symbol = symbolOf(value)
    counts.set(symbol, (counts.get(symbol) ?? 0) + 1)
  }
  let bits = 0
  for (const count of counts.values()) bits += count * Math.log2(values.length / count)
  return bits
}

type StoredDType = 'F32' | 'BF16'

/** Of values as bytes, the exponent in one of its own: bit patterns turned left by one bit. */
function valueBits(values: Float32Array, dtype: StoredDType): number {
  const patterns = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const turned = patterns.map((bits) =>
    dtype === 'F32' ? (bits << 1) | (bits >>> 31) : ((bits >>> 15) & 0xfffe) | (bits >>> 31),
  )
  const planes = Array.from({ length: dtypeBytes[dtype] }, (_, plane) =>
    entropyBits(turned, (bits) => (bits >>> (8 * plane)) & 0xff),
  )
  return planes.reduce((sum, bits) => sum + bits, 0)
}

async function readValues(
  { tensor, sections, kernels }: Coded,
  section: string,
  dtype: StoredDType,
  count: number,
): Promise<Float32Array> {
  using buffers = allocateBuffers(kernels, [count * 4, valueScratchBytes(count)])
  const [out, scratch] = buffers.regions
  const { name } = tensor.spec
  const values = { kernels, name, dtype, count, scratch }
  await createValueReader(values, createSectionReader(sections, section)).take(out, count)
  return out.f32.slice(0, count)
}
